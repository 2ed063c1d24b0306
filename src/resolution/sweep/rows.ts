import { basename } from 'node:path';
import { type FieldRow, type TemperError, version } from '../../core/index.ts';
import { type DataOptions, type Dataset, rowsText, sizeText, transformFields } from '../../data/index.ts';
import {
  comparePaired,
  computeMetrics,
  holm,
  type Metrics,
  type ModelEvaluation,
  type Predictions,
  pairedFields,
  scoreFields,
  speedFields,
  speedFront,
} from '../../evaluate/index.ts';
import type { ApparentSize } from '../apparent-size.ts';
import type { SizeAnalysis } from '../size-analysis.ts';
import { type PixelSize, sidesOf, sizeName, sizeRatio } from '../sizes.ts';
import { type SizeVerdict, sizeVerdict } from '../verdict.ts';
import type { Cell, Variant } from './plan.ts';

/** What a row says of its model. */
export interface RowModel {
  /** What the table calls it; no two are equal. */
  readonly name: string;
  readonly sha256: string;
  readonly trainSize: PixelSize;
  /** The size that the file is fixed to. */
  readonly fixedSize: PixelSize | undefined;
  /** Why results at all other sizes are doubtful: the copy with free sizes differs from the file. */
  readonly doubt: string | undefined;
  readonly provider: string;
  readonly onnxruntime: string;
  /** What the graph says of a size. */
  readonly analysisAt: (variant: Variant, size: PixelSize) => SizeAnalysis;
}

/** What was measured of a row. */
export type RowEvaluation = Omit<ModelEvaluation, 'session' | 'transform' | 'endToEndImagesPerSecond'>;

/** A row that was measured, or the reason why it could not be. */
export interface SweptCell {
  readonly cell: Cell;
  readonly model: RowModel;
  readonly outcome: RowEvaluation | { readonly failed: TemperError };
}

/** A row of the table, with what it was computed from. */
export interface SweptRow extends Omit<Cell, 'model'> {
  /** File name of the model; its path where two have the same. */
  readonly model: string;
  readonly trainSize: PixelSize;
  readonly verdict: SizeVerdict;
  readonly analysis: SizeAnalysis;
  /** What was said of every image; absent for a row that could not be measured, as are the metrics. */
  readonly predictions: Predictions | undefined;
  readonly metrics: Metrics | undefined;
  /** The row of the table (docs/columns.md). */
  readonly fields: FieldRow;
}

export interface RowSettings {
  readonly dataset: Pick<Dataset, 'source' | 'tableHash'>;
  readonly data: Pick<DataOptions, 'rows' | 'limit' | 'parts'>;
  /** Images that were left out. */
  readonly skipped: number;
  readonly seed: number;
  readonly workers: number;
  /** By model name; where the training crop is known. */
  readonly apparent?: ReadonlyMap<string, ApparentSize> | undefined;
}

const measuredOf = ({ outcome }: SweptCell): RowEvaluation | undefined => ('failed' in outcome ? undefined : outcome);

/** A run at this size alone would be as slow as the slower of its two halves, which overlap. */
function endToEnd({ timing, preparationMs }: RowEvaluation, workers: number): number {
  return Math.min(timing.imagesPerSecond, (1000 * workers) / preparationMs);
}

/** The stride that the train size tells: 32 for a map of 7 at 224; padding changes where a size is no multiple of it. */
function strideOf({ trainSize, analysisAt }: RowModel): number | undefined {
  const [height] = analysisAt('keep', trainSize).map ?? [];
  return height === undefined ? undefined : 2 ** Math.round(Math.log2(sidesOf(trainSize).height / height));
}

function geometryFields(
  { cell, model }: SweptCell,
  { map }: SizeAnalysis,
  evaluation: RowEvaluation | undefined,
  apparent: RowSettings['apparent'],
): FieldRow {
  const { test_size, resize_size, crop_ratio, resize_rule, interpolation } = transformFields(cell.transform);
  const stride = strideOf(model);
  const { height, width } = sidesOf(cell.size);
  return {
    variant: cell.variant,
    train_size: sizeText({ crop: sidesOf(model.trainSize) }),
    test_size,
    ratio: sizeRatio(cell.size, model.trainSize),
    inverse_ratio: sizeRatio(model.trainSize, cell.size),
    resize_size,
    crop_ratio,
    resize_rule,
    interpolation,
    enlarged_share: evaluation?.enlarged,
    padded_share: evaluation?.padded,
    map_height: map?.[0],
    map_width: map?.[1],
    stride_ok: stride === undefined ? undefined : height % stride === 0 && width % stride === 0,
    apparent_size_ratio: apparent?.get(model.name)?.(cell.transform),
    crop_ratio_asked: cell.cropRatio,
  };
}

/** Speed of each row, beside that of its model's baseline. */
function costsOf(swept: readonly SweptCell[], workers: number): FieldRow[] {
  return swept.map((row) => {
    const evaluation = measuredOf(row);
    const baseline = swept.find(({ model, cell }) => model === row.model && cell.baseline);
    const first = baseline && baseline !== row ? measuredOf(baseline)?.times : undefined;
    return speedFields(evaluation, evaluation && endToEnd(evaluation, workers), first);
  });
}

function provenanceFields({ cell, model }: SweptCell, evaluation: RowEvaluation | undefined, s: RowSettings): FieldRow {
  const { dataset, data } = s;
  const { mean, std, color, orientation, transform_sha256 } = transformFields(cell.transform);
  return {
    model_sha256: model.sha256,
    data: basename(dataset.source),
    data_table_sha256: dataset.tableHash(),
    rows: rowsText(data),
    limit: data.limit,
    n_bad_images: s.skipped,
    mean,
    std,
    color,
    orientation,
    transform_sha256,
    outputs: evaluation?.outputs,
    provider: model.provider,
    onnxruntime: model.onnxruntime,
    seed: s.seed,
    version,
  };
}

/** Each row against its model's baseline, with Holm's correction over the model's comparisons. */
function comparisons(swept: readonly SweptCell[]): FieldRow[] {
  const fields: FieldRow[] = swept.map(() => pairedFields(undefined, undefined, undefined));
  for (const model of new Set(swept.map((row) => row.model))) {
    const rows = swept.map((row, i) => ({ row, i })).filter(({ row }) => row.model === model);
    const baseline = rows.find(({ row }) => row.cell.baseline)?.row;
    const first = baseline && measuredOf(baseline);
    if (!first) continue;
    const name = `${model.name} at ${sizeName(baseline.cell.size)} px`;
    const paired = rows.flatMap(({ row, i }) => {
      const second = row === baseline ? undefined : measuredOf(row);
      return second ? [{ i, comparison: comparePaired(first.predictions, second.predictions) }] : [];
    });
    const adjusted = holm(paired.map(({ comparison }) => comparison.p));
    for (const [k, { i, comparison }] of paired.entries()) fields[i] = pairedFields(name, comparison, adjusted[k]);
  }
  return fields;
}

/** Whether a row is on the front of accuracy against throughput, over all models of the sweep. */
function paretoFlags(swept: readonly SweptCell[]): (boolean | undefined)[] {
  const measured = swept.flatMap((row, i) => {
    const evaluation = measuredOf(row);
    return evaluation ? [{ i, evaluation }] : [];
  });
  const front = speedFront(measured.map(({ evaluation }) => evaluation));
  const flags = new Map(measured.map(({ i }, k) => [i, front[k]]));
  return swept.map((_, i) => flags.get(i));
}

/** Whether the row is at the size that the file is fixed to. */
const isOwn = ({ size }: Cell, { fixedSize }: RowModel): boolean =>
  fixedSize !== undefined && sizeName(size) === sizeName(fixedSize);

const NO_SCORES = { n_images: 0 };

/** Scores of all rows, with the same fields in all: empty where nothing was measured. */
function scoresOf(swept: readonly SweptCell[], metrics: readonly (Metrics | undefined)[], seed: number): FieldRow[] {
  const scores = swept.map((row, i) => {
    const [evaluation, found] = [measuredOf(row), metrics[i]];
    return evaluation && found && scoreFields(evaluation.predictions, found, seed);
  });
  const names = Object.keys(scores.find((fields) => fields !== undefined) ?? NO_SCORES);
  const empty = Object.fromEntries(names.map((name) => [name, undefined]));
  return scores.map((fields) => fields ?? empty);
}

/** The table: all fields in one order, whatever was measured. */
export function sweptRows(swept: readonly SweptCell[], settings: RowSettings): SweptRow[] {
  const metrics = swept.map((row) => {
    const evaluation = measuredOf(row);
    return evaluation && computeMetrics(evaluation.predictions);
  });
  const paired = comparisons(swept);
  const costs = costsOf(swept, settings.workers);
  const pareto = paretoFlags(swept);
  const scores = scoresOf(swept, metrics, settings.seed);
  return swept.map((row, i) => {
    const { cell, model, outcome } = row;
    const evaluation = measuredOf(row);
    const analysis = model.analysisAt(cell.variant, cell.size);
    const failed = 'failed' in outcome ? outcome.failed : undefined;
    const verdict = sizeVerdict(analysis.findings, failed, isOwn(cell, model) ? undefined : model.doubt);
    return {
      ...cell,
      model: model.name,
      trainSize: model.trainSize,
      verdict,
      analysis,
      predictions: evaluation?.predictions,
      metrics: metrics[i],
      fields: {
        model: model.name,
        ...geometryFields(row, analysis, evaluation, settings.apparent),
        verdict: verdict.verdict,
        verdict_reason: verdict.reason,
        ...scores[i],
        ...paired[i],
        ...costs[i],
        gmacs: analysis.gmacs,
        gmacs_note: failed ? undefined : analysis.gmacsNote,
        pareto: pareto[i],
        ...provenanceFields(row, evaluation, settings),
      },
    };
  });
}
