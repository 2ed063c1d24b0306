import type { FieldRow } from '../../core/index.ts';
import { type Interval, quantile, wilson } from '../intervals.ts';
import type { Predictions } from '../predictions.ts';
import { REPLICATES, resamples } from '../resamples.ts';
import { type ClassCounts, classCounter, classPlaces, countClasses } from './class-counts.ts';
import { averagePrecision, positiveScores, rocArea } from './ranking.ts';

/** Of one class, or the mean over classes. */
interface ClassScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Of a quotient with nothing below it: 0, scikit-learn's `zero_division=0`. */
const share = (part: number, all: number): number => (all === 0 ? 0 : part / all);

function scoresAt({ support, predicted, right }: ClassCounts, place: number): ClassScores {
  const [meant, said, tp] = [support[place] as number, predicted[place] as number, right[place] as number];
  return { precision: share(tp, said), recall: share(tp, meant), f1: share(2 * tp, said + meant) };
}

/** F1 = 2 J / (1 + J), J = TP / (TP + FP + FN) a proportion: the ends of its Wilson interval, mapped. */
function f1Interval(tp: number, union: number): Interval {
  const { lo, hi } = wilson(tp, union);
  const f1 = (j: number): number => (2 * j) / (1 + j);
  return { lo: f1(lo), hi: f1(hi) };
}

const fieldsOf = (name: string, value: number, interval: Interval | undefined): FieldRow => ({
  [name]: value,
  [`${name}_lo`]: interval?.lo,
  [`${name}_hi`]: interval?.hi,
});

const MEANS = ['macro', 'weighted'] as const;
type Mean = (typeof MEANS)[number];

/** Mean over the classes, each counted once (macro) or as often as it was meant (weighted). */
function meanScores(counts: ClassCounts, mean: Mean): ClassScores {
  const all = counts.support.reduce((sum, meant) => sum + meant, 0);
  const sum = { precision: 0, recall: 0, f1: 0 };
  for (const place of counts.classes.keys()) {
    const weight = mean === 'macro' ? 1 / counts.classes.length : (counts.support[place] as number) / all;
    const { precision, recall, f1 } = scoresAt(counts, place);
    sum.precision += weight * precision;
    sum.recall += weight * recall;
    sum.f1 += weight * f1;
  }
  return sum;
}

/** Percentile bootstrap over images of the means, of both kinds. */
function meanIntervals(
  places: ReturnType<typeof classPlaces>,
  seed: number,
): Record<Mean, Record<keyof ClassScores, Interval>> {
  const n = places.labels.length;
  const countsOf = classCounter(places);
  const columns = () => ({
    precision: new Float64Array(REPLICATES),
    recall: new Float64Array(REPLICATES),
    f1: new Float64Array(REPLICATES),
  });
  const drawn = { macro: columns(), weighted: columns() };
  for (const [rows, r] of resamples(seed, n)) {
    const counts = countsOf(rows);
    // A class that a resample lacks would count as 0 in the macro mean.
    const there = [...counts.classes.keys()].filter(
      (at) => (counts.support[at] as number) + (counts.predicted[at] as number) > 0,
    );
    const some: ClassCounts = {
      classes: there.map((at) => counts.classes[at] as number),
      support: Float64Array.from(there, (at) => counts.support[at] as number),
      predicted: Float64Array.from(there, (at) => counts.predicted[at] as number),
      right: Float64Array.from(there, (at) => counts.right[at] as number),
    };
    for (const mean of MEANS) {
      const scores = meanScores(some, mean);
      for (const name of ['precision', 'recall', 'f1'] as const) drawn[mean][name][r] = scores[name];
    }
  }
  const ends = (values: Float64Array): Interval => {
    const sorted = values.toSorted();
    return { lo: quantile(sorted, 0.025), hi: quantile(sorted, 0.975) };
  };
  const of = (mean: Mean) => ({
    precision: ends(drawn[mean].precision),
    recall: ends(drawn[mean].recall),
    f1: ends(drawn[mean].f1),
  });
  return { macro: of('macro'), weighted: of('weighted') };
}

/**
 * Precision, recall and F1 of every class that occurs among labels or answers, as rows of a table; definitions, and 0 where nothing can be
 * divided, are scikit-learn's (`zero_division=0`). Intervals of 95 %: Wilson for precision and recall, for F1 by way of TP / (TP + FP + FN).
 * Of two classes, 0 and 1, class 1 has the area under the ROC curve and the average precision too.
 * @param names of the classes, by index
 */
export function classRows(predictions: Predictions, names: readonly string[] = []): FieldRow[] {
  const places = classPlaces(predictions);
  const counts = countClasses(places);
  const { classes, support, predicted, right } = counts;
  const isBinary = classes.every((value) => value <= 1);
  const positive = isBinary ? positiveScores(predictions) : undefined;
  return classes.map((value, at): FieldRow => {
    const [meant, said, tp] = [support[at] as number, predicted[at] as number, right[at] as number];
    const { precision, recall, f1 } = scoresAt(counts, at);
    return {
      class: String(value),
      name: names[value],
      support: meant,
      predicted: said,
      right: tp,
      ...fieldsOf('precision', precision, said > 0 ? wilson(tp, said) : undefined),
      ...fieldsOf('recall', recall, meant > 0 ? wilson(tp, meant) : undefined),
      ...fieldsOf('f1', f1, f1Interval(tp, meant + said - tp)),
      auroc: positive && value === 1 ? rocArea(predictions.labels, positive) : undefined,
      average_precision: positive && value === 1 ? averagePrecision(predictions.labels, positive) : undefined,
    };
  });
}

/** The means over the classes (`macro`: each counts once, `weighted`: by its images), with bootstrap intervals over images. */
export function meanRows(predictions: Predictions, seed: number): FieldRow[] {
  const places = classPlaces(predictions);
  const counts = countClasses(places);
  const all = predictions.labels.length;
  const intervals = meanIntervals(places, seed);
  return MEANS.map((mean): FieldRow => {
    const scores = meanScores(counts, mean);
    const { precision, recall, f1 } = intervals[mean];
    return {
      class: mean,
      name: undefined,
      support: all,
      predicted: all,
      right: counts.right.reduce((sum, count) => sum + count, 0),
      ...fieldsOf('precision', scores.precision, precision),
      ...fieldsOf('recall', scores.recall, recall),
      ...fieldsOf('f1', scores.f1, f1),
      auroc: undefined,
      average_precision: undefined,
    };
  });
}
