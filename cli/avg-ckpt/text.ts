import type { AveragedOutput, AveragingRecord, PlanRecord, TensorCounts } from '../../src/average/index.ts';
import { mapText } from '../shared/map-text.ts';
import { textTable } from '../shared/text-table.ts';
import { shortPaths } from './short-paths.ts';

function tensorsText({ averaged, roles }: TensorCounts): string {
  const kinds = Object.entries(roles).map(([role, count]) => `${count} ${role.replace(/_/g, ' ')}`);
  return `${averaged} tensors averaged of ${kinds.join(', ')}\n`;
}

/** Snapshots with their weights in each average. */
export function planText({ averages, tensors, map }: PlanRecord): string {
  const snapshots = averages[0]?.inputs ?? [];
  const { heading, names } = shortPaths(snapshots.map(({ file }) => file));
  const cells = snapshots.map(({ step }, i) => [
    names[i] ?? '',
    step === null ? '' : String(step),
    ...averages.map(({ inputs }) => (inputs[i]?.weight ?? 0).toFixed(6)),
  ]);
  const effective = ['effective number of models', '', ...averages.map((one) => one.effective_models.toFixed(3))];
  const header = ['snapshot', 'step', ...averages.map(({ average }) => average)];
  return `${heading}${textTable(header, [...cells, effective])}${tensorsText(tensors)}${map ? mapText(map) : ''}`;
}

function requantizedText({
  tensors,
  relative_rms_error,
  max_error,
}: NonNullable<AveragedOutput['requantized']>): string {
  const rms = (100 * relative_rms_error).toPrecision(3);
  return `  ${tensors} tensors quantized again: ${rms} % (rms) and at most ${max_error.toPrecision(3)} from the float average\n`;
}

const fileText = ({ path, bytes, sha256 }: Pick<AveragedOutput, 'path' | 'bytes' | 'sha256'>): string =>
  `${path}  ${bytes} bytes  sha256 ${sha256}\n`;

function outputText(output: AveragedOutput): string {
  const { average, effective_models, inputs, data, requantized } = output;
  const used = inputs.filter(({ coefficient }) => coefficient !== 0).length;
  const weights = data ? `  weights: ${fileText(data)}` : '';
  const error = requantized ? requantizedText(requantized) : '';
  return `${average} of ${used} (effective ${effective_models.toFixed(2)}): ${fileText(output)}${weights}${error}`;
}

/** What was averaged, and each output with its SHA-256. */
export const averagesText = ({ outputs, tensors }: AveragingRecord): string =>
  `${tensorsText(tensors)}${outputs.map(outputText).join('')}`;
