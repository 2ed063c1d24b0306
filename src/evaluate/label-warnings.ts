import { bestAssignment } from './assignment.ts';
import type { Predictions } from './predictions.ts';

/** Of accuracies that chance gives: as rare a warning as this is never one by chance. */
const RARE = 1e-6;
/** Gains in top-1 that another order of classes must have: where it is found, and on images that did not choose it. */
const GAIN_FOUND = 0.2;
const GAIN_CONFIRMED = 0.1;
const LEAST_IMAGES = 100;
/** Distinct classes for which an assignment is looked for; it takes their third power. */
const MOST_CLASSES = 2000;

/**
 * ln P(X <= k) of a binomial variable: n trials, each with probability p.
 * Terms follow from each other by (n - i) / (i + 1) · p / (1 - p), summed relative to the largest.
 */
export function logBinomialCdf(k: number, n: number, p: number): number {
  const logs: number[] = [n * Math.log1p(-p)];
  for (let i = 0; i < k; i++) logs.push((logs[i] as number) + Math.log(((n - i) / (i + 1)) * (p / (1 - p))));
  const largest = logs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return largest + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - largest), 0));
}

type Pairs = readonly (readonly [label: number, predicted: number])[];

/** Images right, if each label counts as the class that it is mapped to. */
const hits = (pairs: Pairs, to: (label: number) => number | undefined): number =>
  pairs.reduce((sum, [label, predicted]) => sum + Number(to(label) === predicted), 0);

const same = (label: number): number => label;

/** The one-to-one map of labels to predicted classes that makes most images right. */
function assignmentOf(pairs: Pairs): ReadonlyMap<number, number> {
  const labels = [...new Set(pairs.map(([label]) => label))].sort((a, b) => a - b);
  const predicted = [...new Set(pairs.flat())].sort((a, b) => a - b);
  if (predicted.length > MOST_CLASSES) return new Map();
  const placesOf = (list: readonly number[]) => new Map(list.map((value, at) => [value, at]));
  const [rowOf, columnOf] = [placesOf(labels), placesOf(predicted)];
  const counts = labels.map(() => new Float64Array(predicted.length));
  for (const [label, found] of pairs) {
    const row = counts[rowOf.get(label) as number] as Float64Array;
    const column = columnOf.get(found) as number;
    row[column] = (row[column] as number) + 1;
  }
  // Of equal assignments the one that leaves more labels where they are.
  for (const [row, label] of labels.entries()) {
    const column = columnOf.get(label) as number;
    (counts[row] as Float64Array)[column] = ((counts[row] as Float64Array)[column] as number) + 0.5 / pairs.length;
  }
  return new Map(
    Array.from(bestAssignment(counts), (column, row) => [labels[row] as number, predicted[column] as number]),
  );
}

const percent = (part: number, all: number): string => `${((100 * part) / all).toFixed(2)} %`;

/** Another order of classes that fits far better, in words. */
function otherOrder(pairs: Pairs): string | undefined {
  const half = (odd: number): Pairs => pairs.filter((_, i) => i % 2 === odd);
  const [one, other] = [half(0), half(1)];
  if (one.length < LEAST_IMAGES) return undefined;
  const fits = (to: (label: number) => number | undefined): boolean =>
    hits(one, to) - hits(one, same) >= GAIN_FOUND * one.length &&
    hits(other, to) - hits(other, same) >= GAIN_CONFIRMED * other.length;
  const would = (to: (label: number) => number | undefined): string =>
    `top-1 would be ${percent(hits(pairs, to), pairs.length)} instead of ${percent(hits(pairs, same), pairs.length)}`;
  for (const shift of [1, -1]) {
    const to = (label: number): number => label + shift;
    if (fits(to))
      return `with every label one ${shift > 0 ? 'higher' : 'lower'} ${would(to)}: does the model count a background class, or the data from 1?`;
  }
  const map = assignmentOf(one);
  const to = (label: number): number | undefined => map.get(label);
  if (!fits(to)) return undefined;
  const moved = [...map].filter(([label, found]) => label !== found);
  const shown = moved.slice(0, 4).map(([label, found]) => `${label} as ${found}`);
  const list = shown.join(', ') + (moved.length > shown.length ? ', …' : '');
  return `with classes permuted (${list}) ${would(to)}: is the class order right? \`classes\` FILE says it`;
}

/**
 * Signs that labels are not what the model means: top-1 below chance (exact one-sided binomial, p < 1e-6), and another order of
 * classes, a shift by one or the best one-to-one map (Hungarian method on the confusion matrix), that is better by 20 points on one
 * half of the images, 100 or more, and by 10 on the other half, which did not choose it.
 * @param classes that the model chooses from; default: as many as occur
 * @returns sentences; options are named in backticks
 */
export function labelWarnings({ labels, top5 }: Predictions, classes?: number): string[] {
  // Every second image of a class in each half, whatever the order of the table.
  const order = Array.from(labels.keys()).sort((a, b) => (labels[a] as number) - (labels[b] as number) || a - b);
  const pairs = order.map((i) => [labels[i] as number, top5[5 * i] as number] as const);
  const n = pairs.length;
  const right = hits(pairs, same);
  const among = classes ?? pairs.reduce((most, [label, found]) => Math.max(most, label, found), 0) + 1;
  const warnings: string[] = [];
  if (n > 0 && among > 1 && right < n / among && logBinomialCdf(right, n, 1 / among) < Math.log(RARE)) {
    warnings.push(
      `top-1 ${percent(right, n)} is below chance (${percent(1, among)} of ${among} classes): labels and classes do not fit`,
    );
  }
  const better = right < (1 - GAIN_CONFIRMED) * n ? otherOrder(pairs) : undefined;
  return better === undefined ? warnings : [...warnings, better];
}
