import { basename } from 'node:path';
import { type FieldRow, type TemperError, version } from '../../src/core/index.ts';
import { type Metrics, comparePaired, computeMetrics, holm } from '../../src/evaluate/index.ts';
import { paretoFront } from '../../src/report/index.ts';
import { type ApparentSize, type SizeAnalysis, type SizeVerdict, sizeVerdict } from '../../src/resolution/index.ts';
import type { ModelEvaluation } from '../eval-ckpt/evaluate-models.ts';
import { pairedFields, scoreFields } from '../eval-ckpt/evaluation-record.ts';
import type { ChosenData } from '../shared/data-options.ts';
import { transformFields } from '../shared/transform-record.ts';
import { inputDims, type SweepModel } from './sweep-models.ts';
import type { Cell } from './sweep-plan.ts';

/** A row that was measured, or the reason why it could not be. */
export interface SweptCell {
  readonly cell: Cell;
  readonly model: SweepModel;
  readonly outcome: ModelEvaluation | { readonly failed: TemperError };
}

/** A row of the table, with what it was computed from. */
export interface SweptRow extends SweptCell {
  readonly fields: FieldRow;
  readonly metrics: Metrics | undefined;
  readonly analysis: SizeAnalysis;
  readonly verdict: SizeVerdict;
}

export interface SweepSettings {
  readonly chosen: ChosenData;
  readonly skipped: number;
  readonly seed: number;
  readonly workers: number;
  /** By model; where the training crop is known. */
  readonly apparent: ReadonlyMap<SweepModel, ApparentSize> | undefined;
  readonly args: { readonly rows?: string | undefined; readonly limit?: number | undefined };
}

export const measuredOf = ({ outcome }: SweptCell): ModelEvaluation | undefined =>
  'failed' in outcome ? undefined : outcome;

/** What the baseline is called in the table. */
const rowName = ({ model, cell }: SweptCell): string => `${model.name} at ${cell.size} px`;

/** A run at this size alone would be as slow as the slower of its two halves, which overlap. */
function endToEnd({ timing, preparationMs }: ModelEvaluation, workers: number): number {
  return Math.min(timing.imagesPerSecond, (1000 * workers) / preparationMs);
}

/** What the graph says of a row's size. */
function analysisOf({ cell, model }: SweptCell): SizeAnalysis {
  const { analysis } = (cell.variant === 'test-pool' && model.pooled) || model.graph;
  return analysis.at(inputDims(model.input, model.input.batch ?? 2, cell.size));
}

/** The stride that the train size tells: 32 for a map of 7 at 224; padding changes where a size is no multiple of it. */
function strideOf(row: SweptCell): number | undefined {
  const { trainSize } = row.model;
  const [height] = analysisOf({ ...row, cell: { ...row.cell, size: trainSize, variant: 'keep' } }).map ?? [];
  return height === undefined ? undefined : 2 ** Math.round(Math.log2(trainSize / height));
}

function geometryFields(
  row: SweptCell,
  { map }: SizeAnalysis,
  evaluation: ModelEvaluation | undefined,
  apparent: SweepSettings['apparent'],
): FieldRow {
  const { cell, model } = row;
  const { test_size, resize_size, crop_ratio, resize_rule, interpolation } = transformFields(cell.transform);
  const stride = strideOf(row);
  return {
    variant: cell.variant,
    train_size: model.trainSize,
    test_size,
    ratio: cell.size / model.trainSize,
    inverse_ratio: model.trainSize / cell.size,
    resize_size,
    crop_ratio,
    resize_rule,
    interpolation,
    enlarged_share: evaluation?.enlarged,
    padded_share: evaluation?.padded,
    map_height: map?.[0],
    map_width: map?.[1],
    stride_ok: stride === undefined ? undefined : cell.size % stride === 0,
    apparent_size_ratio: apparent?.get(model)?.(cell.transform),
  };
}

function costFields(evaluation: ModelEvaluation | undefined, workers: number): FieldRow {
  const timing = evaluation?.timing;
  return {
    img_s_model: timing?.imagesPerSecond,
    img_s_end2end: evaluation && endToEnd(evaluation, workers),
    ms_p50: timing?.p50Ms,
    ms_p95: timing?.p95Ms,
    batch: timing?.batch,
  };
}

function provenanceFields({ cell, model }: SweptCell, evaluation: ModelEvaluation | undefined, s: SweepSettings) {
  const { dataset } = s.chosen;
  const { mean, std, color, orientation, transform_sha256 } = transformFields(cell.transform);
  return {
    model_sha256: model.sha256,
    data: basename(dataset.source),
    data_table_sha256: dataset.tableHash(),
    rows: s.args.rows,
    limit: s.args.limit,
    n_bad_images: s.skipped,
    mean,
    std,
    color,
    orientation,
    transform_sha256,
    outputs: evaluation?.outputs,
    provider: model.graph.session.provider,
    onnxruntime: model.graph.session.ortVersion,
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
    const paired = rows.flatMap(({ row, i }) => {
      const second = row === baseline ? undefined : measuredOf(row);
      return second ? [{ i, comparison: comparePaired(first.predictions, second.predictions) }] : [];
    });
    const adjusted = holm(paired.map(({ comparison }) => comparison.p));
    for (const [k, { i, comparison }] of paired.entries()) {
      fields[i] = pairedFields(rowName(baseline), comparison, adjusted[k]);
    }
  }
  return fields;
}

/** Whether a row is on the front of accuracy against throughput, over all models of the sweep. */
function paretoFlags(swept: readonly SweptCell[], metrics: readonly (Metrics | undefined)[]): (boolean | undefined)[] {
  const points = swept.flatMap((row, i) => {
    const evaluation = measuredOf(row);
    const top1 = metrics[i]?.top1;
    return evaluation && top1 !== undefined ? [{ i, x: evaluation.timing.imagesPerSecond, y: top1 }] : [];
  });
  const front = paretoFront(points, { x: 'higher', y: 'higher' });
  const flags = new Array<boolean | undefined>(swept.length).fill(undefined);
  for (const [k, { i }] of points.entries()) flags[i] = front[k];
  return flags;
}

const NO_SCORES = { n: 0 };

/** The table: all fields in one order, whatever was measured. */
export function sweptRows(swept: readonly SweptCell[], settings: SweepSettings): SweptRow[] {
  const metrics = swept.map((row) => {
    const evaluation = measuredOf(row);
    return evaluation && computeMetrics(evaluation.predictions);
  });
  const paired = comparisons(swept);
  const pareto = paretoFlags(swept, metrics);
  const scores = swept.map((row, i) => {
    const [evaluation, found] = [measuredOf(row), metrics[i]];
    return evaluation && found && scoreFields(evaluation.predictions, found, settings.seed);
  });
  const names = Object.keys(scores.find((fields) => fields !== undefined) ?? NO_SCORES);
  const empty = Object.fromEntries(names.map((name) => [name, undefined]));
  return swept.map((row, i) => {
    const evaluation = measuredOf(row);
    const analysis = analysisOf(row);
    const failed = 'failed' in row.outcome ? row.outcome.failed : undefined;
    const verdict = sizeVerdict(
      analysis.findings,
      failed,
      row.cell.size === row.model.fixedSize ? undefined : row.model.doubt,
    );
    return {
      ...row,
      metrics: metrics[i],
      analysis,
      verdict,
      fields: {
        model: row.model.name,
        ...geometryFields(row, analysis, evaluation, settings.apparent),
        verdict: verdict.verdict,
        verdict_reason: verdict.reason,
        ...(scores[i] ?? empty),
        ...paired[i],
        ...costFields(evaluation, settings.workers),
        gmacs: analysis.gmacs,
        gmacs_note: failed ? undefined : analysis.gmacsNote,
        pareto: pareto[i],
        ...provenanceFields(row, evaluation, settings),
      },
    };
  });
}
