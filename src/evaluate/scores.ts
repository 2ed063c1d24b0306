import { type FieldRow, shortNames } from '../core/index.ts';
import { metricIntervals } from './intervals.ts';
import { computeMetrics, type Metrics } from './metrics.ts';
import { comparePaired, holm, type PairedComparison } from './paired.ts';
import type { Predictions } from './predictions.ts';

/** Settings of a measurement, by field name: what a row carries beside its numbers. */
type Provenance = FieldRow;

export interface ModelScores {
  /** The path; of a model that is measured twice, with a number. */
  readonly model: string;
  readonly predictions: Predictions;
  readonly metrics: Metrics;
  /** The row of the table. */
  readonly fields: FieldRow;
  /** Against the first model; absent for it. */
  readonly paired: PairedComparison | undefined;
  /** The part of the row that says what was measured, and how. */
  readonly provenance: Provenance;
}

export interface Measured {
  /** No two are equal. */
  readonly model: string;
  readonly predictions: Predictions;
  /** Speed; empty where it was not measured (`from`). */
  readonly timing: FieldRow;
  readonly provenance: Provenance;
}

export function scoreFields(predictions: Predictions, metrics: Metrics, seed: number): FieldRow {
  const intervals = metricIntervals(predictions, { seed });
  return {
    n_images: metrics.n,
    top1: metrics.top1,
    top1_lo: intervals.top1.lo,
    top1_hi: intervals.top1.hi,
    top5: metrics.top5,
    top5_lo: intervals.top5.lo,
    top5_hi: intervals.top5.hi,
    mean_per_class: metrics.meanPerClass,
    nll: metrics.nll,
    nll_lo: intervals.nll.lo,
    nll_hi: intervals.nll.hi,
    brier: metrics.brier,
    brier_lo: intervals.brier.lo,
    brier_hi: intervals.brier.hi,
    ece15: metrics.ece,
    ece15_lo: intervals.ece.lo,
    ece15_hi: intervals.ece.hi,
    ece15_if_calibrated: metrics.eceCalibrated,
  };
}

/** One model may be measured in several ways, side by side: the second time it is "path (2)". */
export function numberRepeated(paths: readonly string[]): string[] {
  return paths.map((path, i) => {
    const before = paths.slice(0, i).filter((other) => other === path).length;
    return before === 0 ? path : `${path} (${before + 1})`;
  });
}

/** Of a single image no spread is known: empty, as what is not measured. */
const finite = (value: number | undefined): number | undefined => (Number.isFinite(value) ? value : undefined);

export function pairedFields(
  baseline: string | undefined,
  paired: PairedComparison | undefined,
  adjusted: number | undefined,
): FieldRow {
  return {
    baseline: paired && baseline,
    top1_difference: paired?.top1.difference,
    top1_difference_lo: paired?.top1.lo,
    top1_difference_hi: paired?.top1.hi,
    nll_difference: paired?.nll.difference,
    nll_difference_lo: finite(paired?.nll.lo),
    nll_difference_hi: finite(paired?.nll.hi),
    only_baseline_right: paired?.onlyFirst,
    only_model_right: paired?.onlySecond,
    mcnemar_p: paired?.p,
    mcnemar_p_holm: adjusted,
    smallest_difference: paired?.smallest.significant,
    detectable_difference: paired?.smallest.detectable,
  };
}

/** Scores every model and compares each with the first, with Holm's correction over the comparisons. */
export function scoreModels(measured: readonly Measured[], seed: number): ModelScores[] {
  const [first] = measured;
  const paired = measured.map(({ predictions }, i) =>
    i === 0 || !first ? undefined : comparePaired(first.predictions, predictions),
  );
  const names = shortNames(measured.map(({ model }) => model));
  const adjusted = holm(paired.flatMap((comparison) => (comparison ? [comparison.p] : [])));
  return measured.map(({ model, predictions, timing, provenance }, i) => {
    const metrics = computeMetrics(predictions);
    return {
      model,
      predictions,
      metrics,
      paired: paired[i],
      provenance,
      fields: {
        model: names[i],
        ...scoreFields(predictions, metrics, seed),
        ...timing,
        ...pairedFields(names[0], paired[i], adjusted[i - 1]),
        ...provenance,
      },
    };
  });
}
