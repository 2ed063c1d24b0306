export { type EvaluateOptions, type Evaluation, evaluateModels, type LabelledBatch } from './evaluate.ts';
export { type GuardVerdict, guardVerdict } from './guard.ts';
export { type Interval, type MetricIntervals, metricIntervals, quantile, wilson } from './intervals.ts';
export { computeMetrics, type ImageScores, imageScores, type Metrics } from './metrics.ts';
export { detectOutputs, OUTPUT_KINDS, type OutputKind } from './output-kind.ts';
export {
  comparePaired,
  holm,
  type McNemar,
  mcnemar,
  type PairedComparison,
  type SmallestDifference,
  smallestDifference,
} from './paired.ts';
export {
  concatPredictions,
  type Predictions,
  probabilitiesOf,
  type Scoring,
  scoreBatch,
  selectPredictions,
  topClasses,
  type ValidClasses,
} from './predictions.ts';
export { type ReliabilityBin, reliabilityBins } from './reliability.ts';
