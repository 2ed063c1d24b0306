import { LEAST_TO_SPLIT, splitRows } from '../data/index.ts';
import {
  comparePaired,
  holm,
  imageScores,
  type PairedComparison,
  type Predictions,
  selectPredictions,
} from '../evaluate/index.ts';

const ALPHA = 0.05;
/** Top-1 that a choice may lose, where nobody says: one point. */
const DEFAULT_MARGIN = 0.01;

/** A row that may be chosen. */
export interface SizeCandidate {
  readonly predictions: Predictions;
  /** What an image costs: smaller is cheaper. */
  readonly cost: number;
  /** Of equal cost and top-1 the one that needs less is taken: 0 for the model as it is. */
  readonly effort: number;
}

/**
 * - kept: the choosing half shows of no other row that it can replace the train size;
 * - confirmed: it shows it of one, and the other half does too;
 * - withdrawn: the other half does not, and the train size stays.
 */
type ChoiceOutcome = 'kept' | 'confirmed' | 'withdrawn';

/** Indices are those of the candidates. */
export interface SizeChoice {
  /** Highest top-1 on the choosing half. */
  readonly best: number;
  /** What the choosing half chose: the cheapest row that it shows fit to replace the baseline; the baseline where there is none. */
  readonly chosen: number;
  /** What is recommended: the chosen row where the other half confirms it, else the baseline. */
  readonly recommended: number;
  readonly outcome: ChoiceOutcome;
  /** Whether what was chosen costs less than the baseline. */
  readonly cheaper: boolean;
  /** Top-1 that the choice may lose, a fraction. */
  readonly margin: number;
  /** Whether the choosing half tells any candidate from the best (McNemar with Holm's correction, 5 %). */
  readonly separated: boolean;
  /** Images of the two halves. */
  readonly choosingImages: number;
  readonly reportingImages: number;
  /** top-1 of each candidate on the choosing half, and on the other, where nothing was chosen. */
  readonly choosingTop1: readonly number[];
  readonly reportingTop1: readonly number[];
  /** On the choosing half: baseline to best; its `smallest` is what that many images can show. */
  readonly choosing: PairedComparison;
  /** On the reporting half: of what is recommended, and of what was chosen. */
  readonly recommendedPairs: ReportedPairs;
  readonly chosenPairs: ReportedPairs;
  /** Whether the choosing half shows that the baseline loses at most the margin against the best (it is, where it is the best). */
  readonly baselineWithin: boolean;
}

/** A row on the reporting half: the baseline to it, and the best to it. */
export interface ReportedPairs {
  readonly againstBaseline: PairedComparison;
  readonly againstBest: PairedComparison;
}

/** The two halves of the images that predictions are of: in each class by seed and key, as for every choice. */
function halvesOf({ keys, labels }: Predictions, seed: number): { choosing: number[]; reporting: number[] } {
  const sample = (row: number) => ({ key: keys[row] as string, label: labels[row] as number });
  const { selection, report } = splitRows({ sample }, Uint32Array.from(keys.keys()), seed);
  return { choosing: [...selection], reporting: [...report] };
}

const top1Of = (predictions: Predictions): number => {
  const { top1 } = imageScores(predictions);
  return top1.reduce((sum, right) => sum + right, 0) / top1.length;
};

/** Comparisons of candidates on one half of the images. */
type Compare = (from: number, to: number) => PairedComparison;

interface Setting {
  readonly candidates: readonly SizeCandidate[];
  readonly baseline: number;
  readonly best: number;
  readonly margin: number;
}

/** Whether a half shows that a row loses at most the margin against the best: the lower bound of the paired 95 % interval. */
const isWithin = (row: number, { best, margin }: Setting, compare: Compare): boolean =>
  row === best || compare(best, row).top1.lo >= -margin;

/**
 * Whether a half shows that a row can replace the baseline: it loses at most the margin against the best, and against the baseline too if
 * it costs less; else it is better than the baseline (the lower bound is above 0). Both must hold, so that no correction for their number
 * is needed (intersection-union test, Berger 1982).
 */
function canReplace(row: number, setting: Setting, compare: Compare): boolean {
  const { candidates, baseline, margin } = setting;
  const costOf = (i: number): number => (candidates[i] as SizeCandidate).cost;
  const { lo } = compare(baseline, row).top1;
  const asGood = costOf(row) < costOf(baseline) ? lo >= -margin : lo > 0;
  return asGood && isWithin(row, setting, compare);
}

/**
 * Chooses on one half of the images, and confirms or withdraws on the other: the best of K sizes on the images that chose it looks
 * better than it is (it is the one that chance favoured most). The train size stays unless another row is shown to be as good within
 * the margin at less cost, or to be better; that it looks as good is not enough.
 * @param baseline the train size
 * @param margin top-1 that may be lost, a fraction
 * @returns undefined where there are too few images for two halves
 */
export function chooseSize(
  candidates: readonly SizeCandidate[],
  baseline: number,
  seed: number,
  margin = DEFAULT_MARGIN,
): SizeChoice | undefined {
  const [first] = candidates;
  if (!first || first.predictions.keys.length < LEAST_TO_SPLIT) return undefined;
  const { choosing, reporting } = halvesOf(first.predictions, seed);
  const on = (rows: readonly number[]) => {
    const parts = candidates.map(({ predictions }) => selectPredictions(predictions, rows));
    const compare: Compare = (from, to) => comparePaired(parts[from] as Predictions, parts[to] as Predictions);
    return { top1: parts.map(top1Of), compare };
  };
  const [chose, reports] = [on(choosing), on(reporting)];
  const top1At = (i: number): number => chose.top1[i] as number;
  const cheaper = (a: number, b: number): number => {
    const [x, y] = [candidates[a] as SizeCandidate, candidates[b] as SizeCandidate];
    return x.cost - y.cost || top1At(b) - top1At(a) || x.effort - y.effort || a - b;
  };
  const order = [...candidates.keys()].sort(cheaper);
  const best = order.reduce((most, i) => (top1At(i) > top1At(most) ? i : most));
  const others = order.filter((i) => i !== best);
  const separated = holm(others.map((i) => chose.compare(i, best).p)).some((p) => p < ALPHA);
  const setting = { best, baseline, margin, candidates };
  const baselineWithin = isWithin(baseline, setting, chose.compare);
  const isFit = (i: number): boolean => (i === baseline ? baselineWithin : canReplace(i, setting, chose.compare));
  const chosen = order.find(isFit) ?? baseline;
  const confirmed = chosen === baseline || canReplace(chosen, setting, reports.compare);
  const recommended = confirmed ? chosen : baseline;
  const pairsOf = (i: number): ReportedPairs => ({
    againstBaseline: reports.compare(baseline, i),
    againstBest: reports.compare(best, i),
  });
  return {
    best,
    chosen,
    recommended,
    outcome: chosen === baseline ? 'kept' : confirmed ? 'confirmed' : 'withdrawn',
    cheaper: (candidates[chosen] as SizeCandidate).cost < (candidates[baseline] as SizeCandidate).cost,
    margin,
    separated,
    choosingImages: choosing.length,
    reportingImages: reporting.length,
    choosingTop1: chose.top1,
    reportingTop1: reports.top1,
    choosing: chose.compare(baseline, best),
    recommendedPairs: pairsOf(recommended),
    chosenPairs: pairsOf(chosen),
    baselineWithin,
  };
}
