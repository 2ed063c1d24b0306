import { comparePaired, holm, imageScores, type Predictions, selectPredictions, Z_95 } from '../evaluate/index.ts';

/** All false gains of a run together are claimed with at most this probability. */
const ALPHA = 0.05;

/** What a step is judged by. */
export type Metric = 'top1' | 'nll';

/** How much better a model is than the one before it, on images that chose neither. */
export interface Evidence {
  readonly metric: Metric;
  /** After minus before: of top-1 a fraction, of NLL nats. */
  readonly difference: number;
  /** The 95 % interval, paired. */
  readonly lo: number;
  readonly hi: number;
  /** Two-sided: McNemar's exact test of top-1; of NLL by the standard error of the paired differences. */
  readonly p: number;
  readonly images: number;
}

/** 2 Φ(-|z|): the complementary error function by its continued fraction and series (Abramowitz & Stegun 7.1.6, 7.1.14). */
export function twoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 1 : 0;
  if (x < 2) {
    let [term, sum] = [x, x];
    for (let n = 1; n < 60; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return Math.max(0, 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum);
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}

/** Compares two models on the same images. @throws TemperError MISMATCH_VALUE if they saw others */
export function evidenceOf(before: Predictions, after: Predictions, metric: Metric): Evidence {
  const paired = comparePaired(before, after);
  const { difference, lo, hi } = paired[metric];
  const deviation = (hi - lo) / 2 / Z_95;
  const p = metric === 'top1' ? paired.p : deviation > 0 ? twoSided(difference / deviation) : 1;
  return { metric, difference, lo, hi, p, images: paired.n };
}

/** Whether the difference is an improvement, by its sign. */
const isBetter = ({ metric, difference }: Evidence): boolean => (metric === 'top1' ? difference > 0 : difference < 0);

/**
 * The p value of a gain: one-sided, as only gains are claimed. Of McNemar's exact test, whose two-sided p is twice the smaller tail, and of
 * a normal law it is half the two-sided one on the better side.
 */
export const gainP = (evidence: Evidence): number => (isBetter(evidence) ? evidence.p / 2 : 1);

/** What is left of ALPHA while steps are decided one after the other. */
export interface Levels {
  /** Each step's own share. */
  readonly share: number;
  /** The level of the next step. */
  readonly level: number;
}

/**
 * The fallback procedure (Wiens & Dmitrienko 2005): of n steps in their order each has ALPHA / n, and what a step that was taken has
 * used goes on to the next one. Holm's correction needs all p values at once, and here a step begins with what the one before it gave;
 * this one decides in order, and keeps the probability of any false step under ALPHA just the same.
 */
export const levelsOf = (steps: number): Levels => ({ share: ALPHA / steps, level: ALPHA / steps });

/** Images that a step must get right beside those before, and lose none, for McNemar's exact one-sided p = 2^-k to reach a level. */
export const leastGained = ({ level }: Pick<Levels, 'level'>): number => Math.ceil(-Math.log2(level));

/** Whether a step is taken, and what is left for the next one. Pure. */
export function decide(evidence: Evidence | undefined, { share, level }: Levels): { taken: boolean; next: Levels } {
  const taken = evidence !== undefined && gainP(evidence) <= level;
  return { taken, next: { share, level: taken ? share + level : share } };
}

const top1Of = (predictions: Predictions): number => {
  const { top1 } = imageScores(predictions);
  return top1.reduce((sum, right) => sum + right, 0) / top1.length;
};

/** A candidate as a choice sees it. */
export interface Candidate {
  readonly predictions: Predictions;
  /** Of equal top-1 the cheaper one is taken, then the one that asks for less. */
  readonly cost: number;
  readonly effort: number;
}

/** Rows of predictions by a set of keys. */
export function rowsOf({ keys }: Predictions, chosen: ReadonlySet<string>): number[] {
  return keys.flatMap((key, row) => (chosen.has(key) ? [row] : []));
}

/** The best on the images that choose. Pure. @returns its index */
function bestOn(candidates: readonly Candidate[], selecting: ReadonlySet<string>): number {
  const top1 = candidates.map(({ predictions }) =>
    top1Of(selectPredictions(predictions, rowsOf(predictions, selecting))),
  );
  const better = (a: number, b: number): number => {
    const [x, y] = [candidates[a] as Candidate, candidates[b] as Candidate];
    return (top1[b] as number) - (top1[a] as number) || x.cost - y.cost || x.effort - y.effort || a - b;
  };
  return [...candidates.keys()].sort(better)[0] as number;
}

/** Chosen on some images, judged on others: what a step claims; nothing, where the baseline (-1) may not stay. Pure. */
export function chooseAndJudge(
  candidates: readonly Candidate[],
  baseline: number,
  { selecting, judging }: { readonly selecting: ReadonlySet<string>; readonly judging: ReadonlySet<string> },
): { readonly chosen: number; readonly evidence: Evidence | undefined } {
  const chosen = bestOn(candidates, selecting);
  if (chosen === baseline || baseline < 0) return { chosen, evidence: undefined };
  const on = (i: number): Predictions => {
    const { predictions } = candidates[i] as Candidate;
    return selectPredictions(predictions, rowsOf(predictions, judging));
  };
  return { chosen, evidence: evidenceOf(on(baseline), on(chosen), 'top1') };
}

/** A step on the images that chose nothing. */
export interface Gain extends Evidence {
  /** With Holm's correction over the steps, and the total where there are several. */
  readonly pHolm: number;
  /** Better, beyond noise. */
  readonly shown: boolean;
}

export interface Gains {
  readonly steps: readonly Gain[];
  /** The last model against the first, by top-1; absent where no step was taken. */
  readonly total: Gain | undefined;
}

/**
 * What each step brought on the images that report: each against the one before it, all with Holm's correction. Pure.
 * @param predictions of the first model, then after each step
 * @param metrics what each step is judged by
 */
export function gainsOf(predictions: readonly Predictions[], metrics: readonly Metric[]): Gains {
  const steps = metrics.map((metric, i) =>
    evidenceOf(predictions[i] as Predictions, predictions[i + 1] as Predictions, metric),
  );
  const total =
    metrics.length > 1
      ? evidenceOf(predictions[0] as Predictions, predictions.at(-1) as Predictions, 'top1')
      : undefined;
  const all = total ? [...steps, total] : steps;
  const adjusted = holm(all.map(({ p }) => p));
  const gains = all.map((evidence, i): Gain => {
    const pHolm = adjusted[i] as number;
    return { ...evidence, pHolm, shown: isBetter(evidence) && pHolm < ALPHA };
  });
  const taken = gains.slice(0, steps.length);
  return { steps: taken, total: total ? gains.at(-1) : taken.find(({ metric }) => metric === 'top1') };
}
