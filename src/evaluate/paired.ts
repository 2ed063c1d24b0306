import { TemperError } from '../core/index.ts';
import { type Interval, Z_95 } from './intervals.ts';
import { imageScores } from './metrics.ts';
import type { Predictions } from './predictions.ts';

/** The two-sided level of the tests, and the power that a detectable difference is found with. */
const ALPHA = 0.05;
const Z_POWER_80 = 0.8416212335729143;

export interface McNemar {
  /** Exact two-sided p. */
  readonly p: number;
  /** Mid-p: less conservative, level held well in practice (Fagerland, Lydersen, Laake 2013). */
  readonly midP: number;
}

/**
 * The exact McNemar test of two classifiers on the same images: under no difference, of the images that exactly one gets
 * right, each falls to either with probability 1/2. p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2).
 * @param b images right only in the first @param c right only in the second
 */
export function mcnemar(b: number, c: number): McNemar {
  const m = b + c;
  const k = Math.min(b, c);
  let logTerm = -m * Math.LN2;
  for (let i = 1; i <= k; i++) logTerm += Math.log((m - k + i) / i);
  // P(X = k), then the ratios downwards; the sum is k's term times a series that begins with 1.
  let [term, series] = [1, 1];
  for (let i = k; i > 0 && term > 0; i--) {
    term *= i / (m - i + 1);
    series += term;
  }
  const equal = Math.exp(logTerm);
  const tail = equal * series;
  return { p: Math.min(1, 2 * tail), midP: Math.min(1, 2 * tail - equal) };
}

/**
 * 95 % interval of the difference of two accuracies on the same n images, (c - b) / n: Wald after half an image is added
 * to each cell (Agresti & Min 2005, "Simple improved confidence intervals for comparing matched proportions").
 */
export function pairedInterval(b: number, c: number, n: number): Interval {
  const total = n + 2;
  const difference = (c - b) / total;
  const half = (Z_95 * Math.sqrt(b + c + 1 - (c - b) ** 2 / total)) / total;
  return { lo: Math.max(-1, difference - half), hi: Math.min(1, difference + half) };
}

export interface SmallestDifference {
  /** The smallest difference of accuracies with p < 0.05, if as many images stay discordant. Over 1: none can. */
  readonly significant: number;
  /** The true difference that is found significant with probability 0.8. */
  readonly detectable: number;
}

/**
 * What n images can show, given how many of them exactly one of the models gets right. `significant` from the exact test
 * (6 images at least: 2 · 2^-6 < 0.05); `detectable` solves d·sqrt(n) = z·sqrt(δ) + z'·sqrt(δ - d²), δ the discordant
 * fraction, z and z' the 97.5 % and 80 % quantiles of the normal law (Connor 1987), and is never under `significant`.
 */
export function smallestDifference(discordant: number, n: number): SmallestDifference {
  const m = Math.max(discordant, 6);
  // The largest k with p(k, m - k) < 0.05: p grows with k up to m / 2.
  let [low, high] = [0, Math.floor(m / 2)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (mcnemar(middle, m - middle).p < ALPHA) low = middle;
    else high = middle - 1;
  }
  const significant = (m - 2 * low) / n;
  const a = Z_95 * Math.sqrt(m);
  const b2 = Z_POWER_80 ** 2;
  const root = Math.sqrt(Math.max(0, a * a - (n + b2) * ((a * a - b2 * m) / n)));
  return { significant, detectable: Math.max(significant, (a + root) / (n + b2)) };
}

export interface PairedComparison extends McNemar {
  readonly n: number;
  /** Images that only the first gets right (right to wrong), and only the second (wrong to right). */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** top-1 of the second minus top-1 of the first. */
  readonly top1: Interval & { readonly difference: number };
  /** Mean NLL of the second minus the first, with mean ± 1.96 standard errors of the paired differences. */
  readonly nll: Interval & { readonly difference: number };
  readonly smallest: SmallestDifference;
}

function assertSameImages(first: Predictions, second: Predictions): void {
  const n = Math.max(first.keys.length, second.keys.length);
  for (let i = 0; i < n; i++) {
    const [a, b] = [first, second].map(({ keys, labels }) =>
      i < keys.length ? `${keys[i]} (label ${labels[i]})` : 'no more',
    );
    if (a !== b) {
      throw new TemperError('MISMATCH_VALUE', `row ${i}: one model saw ${a}, the other ${b}`, {
        hint: 'Evaluate both models on the same images, in the same order and with the same labels.',
        details: { row: i },
      });
    }
  }
}

/**
 * Compares two models on the same images: only the images on which they differ carry information, so a paired test sees
 * differences that two separate intervals hide.
 * @throws TemperError MISMATCH_VALUE if the images or labels differ
 */
export function comparePaired(first: Predictions, second: Predictions): PairedComparison {
  assertSameImages(first, second);
  const n = first.labels.length;
  const [a, b] = [imageScores(first).top1, imageScores(second).top1];
  let [onlyFirst, onlySecond, sum, squares] = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    if (a[i] !== b[i]) {
      if (a[i] === 1) onlyFirst++;
      else onlySecond++;
    }
    sum += (second.nll[i] as number) - (first.nll[i] as number);
  }
  const difference = sum / n;
  for (let i = 0; i < n; i++) squares += ((second.nll[i] as number) - (first.nll[i] as number) - difference) ** 2;
  const half = n > 1 ? Z_95 * Math.sqrt(squares / (n - 1) / n) : Number.POSITIVE_INFINITY;
  return {
    n,
    onlyFirst,
    onlySecond,
    top1: { difference: (onlySecond - onlyFirst) / n, ...pairedInterval(onlyFirst, onlySecond, n) },
    nll: { difference, lo: difference - half, hi: difference + half },
    ...mcnemar(onlyFirst, onlySecond),
    smallest: smallestDifference(onlyFirst + onlySecond, n),
  };
}

/**
 * p values adjusted for being the best of several tests (Holm 1979): sorted ascending, p_(i) times the number of tests not
 * yet passed, made monotone, at most 1. Returned in the order given.
 */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((i, j) => (pValues[i] as number) - (pValues[j] as number));
  const adjusted = new Array<number>(pValues.length);
  let highest = 0;
  for (const [rank, i] of order.entries()) {
    highest = Math.max(highest, Math.min(1, (pValues[i] as number) * (pValues.length - rank)));
    adjusted[i] = highest;
  }
  return adjusted;
}
