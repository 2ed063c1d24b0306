import { basename } from 'node:path';
import { type FieldRow, version } from '../../core/index.ts';
import { type ChosenData, rowsHash, transformFields } from '../../data/index.ts';
import { type Model, modelHashes, modelSha256, type WrittenModel } from '../../onnx/index.ts';
import { computeMetrics, type Metrics } from '../metrics.ts';
import type { Predictions } from '../predictions.ts';
import { scoreFields } from '../scores.ts';
import type { CalibrationDifference } from './paired-differences.ts';
import type { Judged, Measured } from './passes.ts';
import type { Calibration, WrittenAs } from './write-calibration.ts';

/** A model on the images that judge. */
interface JudgedModel {
  readonly predictions: Predictions;
  readonly metrics: Metrics;
}

export interface CalibrationRecord {
  /** Base name of the model. */
  readonly model: string;
  readonly method: Calibration['method'];
  /** Of temperature scaling. */
  readonly temperature: number | undefined;
  /** Images that fitted, and that judged: no image did both. */
  readonly fitted: number;
  readonly judged: number;
  readonly before: JudgedModel;
  readonly after: JudgedModel;
  /** Mean NLL that the kept outputs foretold for `after`. */
  readonly predictedNll: number;
  readonly difference: CalibrationDifference;
  /** The interval of the NLL's difference lies below 0, and top-1 did not get worse beyond noise. */
  readonly better: boolean;
  /** One line for people. */
  readonly text: string;
  /** Where in the graph the calibration stands. */
  readonly writtenAs: WrittenAs;
  /** Before and after as rows of a table (docs/columns.md). */
  readonly rows: readonly FieldRow[];
  /** The model; absent if the half that judged refused it. */
  readonly written: WrittenModel | undefined;
  /** What the calibration was made from and by, as in the model's metadata. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const signed = (value: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(4)}`;

export function verdictOf(before: Metrics, after: Metrics, difference: CalibrationDifference) {
  const { nll, ece, top1, p } = difference;
  const lost = top1.difference < 0 && p < 0.05;
  const better = nll.hi < 0 && !lost;
  const of = (name: string, a: number, b: number, d: typeof nll): string =>
    `${name} ${a.toFixed(4)} to ${b.toFixed(4)} (${signed(d.difference)}, ${signed(d.lo)} to ${signed(d.hi)})`;
  const verdict = better ? 'better' : nll.lo > 0 || lost ? 'worse' : 'no difference beyond noise';
  const changes = [of('NLL', before.nll, after.nll, nll), of('ECE', before.ece, after.ece, ece)].join(', ');
  return { better, text: `${changes} on ${before.n} images that fitted nothing: ${verdict}` };
}

export function differenceFields(of?: CalibrationDifference, predictedNll?: number): FieldRow {
  const { nll, brier, ece, top1, moved } = of ?? {};
  return {
    nll_difference: nll?.difference,
    nll_difference_lo: nll?.lo,
    nll_difference_hi: nll?.hi,
    brier_difference: brier?.difference,
    brier_difference_lo: brier?.lo,
    brier_difference_hi: brier?.hi,
    ece15_difference: ece?.difference,
    ece15_difference_lo: ece?.lo,
    ece15_difference_hi: ece?.hi,
    top1_difference: top1?.difference,
    answers_changed: moved,
    predicted_nll: predictedNll,
  };
}

/** What a calibration was made from and by. */
interface Made {
  readonly by: Calibration;
  readonly measured: Measured;
  readonly data: ChosenData;
  readonly fittedRows: Uint32Array;
  readonly fitted: number;
  readonly judged: number;
  readonly seed: number;
}

/** The settings, as the model's metadata keeps them. */
async function settingsOf(model: Model, made: Made, writtenAs: WrittenAs) {
  const { by, measured, data, seed } = made;
  return {
    tool: 'onnx-temper',
    version,
    command: 'calibrate',
    input: await modelHashes(model),
    method: by.method,
    ...(by.method === 'temperature' ? { temperature: 1 / (by.scales[0] as number) } : {}),
    written_as: writtenAs,
    output: measured.output,
    outputs: measured.kind,
    data: basename(data.dataset.source),
    data_table_sha256: data.dataset.tableHash(),
    fitted_rows_sha256: rowsHash(made.fittedRows),
    n_fitted: made.fitted,
    n_judged: made.judged,
    ...transformFields(measured.transform),
    seed,
    provider: measured.provider,
    onnxruntime: measured.onnxruntime,
  };
}

/** Everything but the written model. */
export async function recordOf(
  model: Model,
  made: Made,
  before: Predictions,
  { after, difference, writtenAs }: Judged,
  predictedNll: number,
): Promise<Omit<CalibrationRecord, 'written'>> {
  const settings = await settingsOf(model, made, writtenAs);
  const [one, other] = [computeMetrics(before), computeMetrics(after)];
  const { input: _, tool: __, command: ___, ...fields } = settings;
  const provenance: FieldRow = { model_sha256: await modelSha256(model), ...fields };
  const name = basename(model.path);
  const rowOf = (stage: string, predictions: Predictions, metrics: Metrics, differences: FieldRow): FieldRow => ({
    model: name,
    stage,
    ...scoreFields(predictions, metrics, made.seed),
    ...differences,
    ...provenance,
  });
  return {
    model: name,
    method: made.by.method,
    temperature: settings.temperature,
    fitted: made.fitted,
    judged: made.judged,
    before: { predictions: before, metrics: one },
    after: { predictions: after, metrics: other },
    predictedNll,
    difference,
    ...verdictOf(one, other, difference),
    writtenAs,
    rows: [
      rowOf('before', before, one, differenceFields()),
      rowOf('after', after, other, differenceFields(difference, predictedNll)),
    ],
    settings,
  };
}
