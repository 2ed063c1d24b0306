import type { Control } from '../../core/index.ts';
import { type ChosenData, noteBadImages, type Transform } from '../../data/index.ts';
import {
  applyEdits,
  decodeFloats,
  type Edit,
  encodeFloats,
  externalDataOf,
  type Model,
  type Rewrite,
  setOutputs,
} from '../../onnx/index.ts';
import { halvingOptions, openSession, sayProvider, sessionOptions } from '../../runtime/index.ts';
import { modelFacts, type OutputKind, outputName } from '../../signature/index.ts';
import { evaluateSessions } from '../evaluate-stages.ts';
import { labelWarnings } from '../label-warnings.ts';
import { computeMetrics, type Metrics } from '../metrics.ts';
import type { Predictions } from '../predictions.ts';
import { findLogits, findScoreLayer, type LogitsPlace } from './head.ts';
import { keepOutputs, type LogitRows } from './logit-rows.ts';
import type { CalibrateOptions } from './options.ts';
import { type CalibrationDifference, calibrationDifference } from './paired-differences.ts';
import { type Calibration, calibratedNodes, calibratedWeights, type WrittenAs } from './write-calibration.ts';

/** What the model said of all images. */
export interface Measured {
  readonly kind: OutputKind;
  readonly predictions: Predictions;
  readonly output: string;
  readonly place: LogitsPlace;
  readonly transform: Transform | undefined;
  readonly provider: string;
  readonly onnxruntime: string;
  logits(rows: readonly number[], labels: Int32Array): LogitRows;
}

/** A copy that gives the logits too: what a Softmax or Sigmoid rounds to 0 or 1 cannot be undone. */
const withLogits = (model: Model, { value, dataType }: LogitsPlace): readonly Edit[] =>
  setOutputs(model.record.graph, [
    ...model.record.graph.outputs.map(({ name, tensorType }) => ({
      name,
      dataType: tensorType?.elemType ?? 0,
      ...(tensorType?.dims ? { dims: tensorType.dims } : {}),
    })),
    { name: value, dataType },
  ]);

/** Of vector scaling, the scale of a class would act on the constant that a softmax takes away. */
export const isNormalised = (method: CalibrateOptions['method'], kind: OutputKind): boolean =>
  method === 'vector' && (kind === 'probabilities' || kind === 'log-probabilities');

/** Runs the model once over all images, and keeps its logits. Refuses first what could not be written later. */
export async function measure(
  model: Model,
  chosen: ChosenData,
  options: CalibrateOptions,
  control: Control,
): Promise<Measured> {
  const { outputs = 'auto', method } = options;
  const output = outputName(model, options.output);
  const known = outputs === 'auto' ? modelFacts(model).outputKind(output)?.value : outputs;
  const place = known && findLogits(model, output, known);
  const seen = place?.reader !== undefined && !model.record.graph.outputs.some(({ name }) => name === place.value);
  const session = await openSession({
    model: applyEdits(model, seen && place ? withLogits(model, place) : []),
    externalData: externalDataOf(model),
    label: model.path,
    ...sessionOptions(options),
    ...halvingOptions(options, model.path, control.note),
  });
  try {
    sayProvider(session, options.device ?? 'auto', control.note);
    const kept = keepOutputs();
    const { evaluations, quarantine } = await evaluateSessions(
      [session],
      chosen,
      {
        ...options,
        output,
        ...(place?.reader ? { further: place.value } : {}),
        onOutputs: (_, given, __, { further }) => kept.add(further ?? given),
      },
      control,
    );
    noteBadImages(quarantine, control.note);
    const [evaluation] = evaluations;
    if (!evaluation) throw new Error('a session gives an evaluation');
    const { outputs: kind, predictions, classes, transform } = evaluation;
    for (const text of labelWarnings(predictions, classes)) control.note(`${model.path}: ${text}`);
    const held = place?.reader ? 'logits' : kind;
    return {
      ...{ kind, predictions, output, transform },
      place: place ?? findLogits(model, output, kind),
      provider: session.provider,
      onnxruntime: session.ortVersion,
      logits: (rows, labels) => kept.logits(held, rows, labels, isNormalised(method, kind)),
    };
  } finally {
    await session.close();
  }
}

/** What the edited model says of the images that judge. */
async function evaluateEdited(
  model: Model,
  { edits }: Rewrite,
  chosen: ChosenData,
  options: Omit<CalibrateOptions, 'outputs'> & { readonly outputs: OutputKind },
  control: Control,
): Promise<Predictions> {
  const session = await openSession({
    model: applyEdits(model, edits),
    externalData: externalDataOf(model),
    label: `${model.path}, calibrated`,
    ...sessionOptions(options),
    ...halvingOptions(options, `${model.path}, calibrated`, control.note),
  });
  try {
    const { evaluations } = await evaluateSessions([session], chosen, options, control);
    return (evaluations[0] as (typeof evaluations)[number]).predictions;
  } finally {
    await session.close();
  }
}

/** How far the mean NLL may be from what was foretold before another way of writing is tried: the rounding of float32 weights. */
const FORETOLD = 1e-6;

/** A way of writing, and what came of it. */
export interface Judged {
  readonly rewrite: Rewrite;
  readonly writtenAs: WrittenAs;
  readonly after: Predictions;
  readonly difference: CalibrationDifference;
}

/** Rounded to what the graph stores, so that what is foretold is what is written. */
export function asStored(by: Calibration, { dataType }: LogitsPlace): Calibration {
  const round = (values: Float64Array): Float64Array =>
    decodeFloats(encodeFloats(values, dataType, 'calibration'), dataType, 'calibration');
  return { ...by, scales: round(by.scales), shifts: round(by.shifts) };
}

/** The ways of writing a calibration, the best first. */
function* rewritesOf(
  model: Model,
  by: Calibration,
  { kind, output, place }: Measured,
): Generator<readonly [WrittenAs, Rewrite]> {
  const layer = isNormalised(by.method, kind) ? undefined : findScoreLayer(model, place);
  const weights = layer && calibratedWeights(model, layer, by);
  if (weights) yield ['weights', weights];
  yield ['nodes', calibratedNodes(model, place, by, { output, kind })];
}

/** Writes into weights where that keeps every answer and gives what was foretold, or where nodes do not come nearer to it. */
export async function judge(
  model: Model,
  by: Calibration,
  measured: Measured,
  { judging, before, predicted }: { judging: ChosenData; before: Predictions; predicted: Metrics },
  options: CalibrateOptions,
  control: Control,
): Promise<Judged> {
  let best: (Judged & { readonly off: number; readonly lost: number }) | undefined;
  for (const [writtenAs, rewrite] of rewritesOf(model, by, measured)) {
    const how = { ...options, outputs: measured.kind };
    const after = await evaluateEdited(model, rewrite, judging, how, control);
    const difference = calibrationDifference(before, after, options.seed ?? 0);
    const off = Math.abs(computeMetrics(after).nll - predicted.nll);
    const lost = by.method === 'temperature' ? difference.moved : 0;
    const nearer = !best || lost < best.lost || (lost === best.lost && off < best.off / 2);
    if (nearer) best = { rewrite, writtenAs, after, difference, off, lost };
    if (best && best.off <= FORETOLD && best.lost === 0) return best;
  }
  if (!best) throw new Error('nodes can always be written');
  const answers = best.lost > 0 ? `, and ${best.lost} answers are others` : '';
  control.note(`the mean NLL is ${best.off.toPrecision(2)} from what was foretold${answers}: the outputs are rounded`);
  return best;
}
