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

/** A row that may be chosen. */
export interface SizeCandidate {
  readonly predictions: Predictions;
  /** What an image costs: smaller is cheaper. */
  readonly cost: number;
  /** Of equal cost the one that needs less is taken: 0 for the model as it is. */
  readonly effort: number;
}

/** Indices are those of the candidates. */
export interface SizeChoice {
  /** Highest top-1 on the choosing half. */
  readonly best: number;
  /** The cheapest that the choosing half cannot tell from the best; the baseline where it can tell nothing apart. */
  readonly recommended: number;
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
  /** On the reporting half: baseline to recommended, and best to recommended. */
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

/**
 * Chooses on one half of the images and reports on the other: the best of K sizes on the images that chose it looks better
 * than it is (it is the one that chance favoured most).
 * @param baseline the train size
 * @returns undefined where there are too few images for two halves
 */
export function chooseSize(
  candidates: readonly SizeCandidate[],
  baseline: number,
  seed: number,
): SizeChoice | undefined {
  const [first] = candidates;
  if (!first || first.predictions.keys.length < LEAST_TO_SPLIT) return undefined;
  const { choosing, reporting } = halvesOf(first.predictions, seed);
  const parts = candidates.map(({ predictions }) => ({
    choosing: selectPredictions(predictions, choosing),
    reporting: selectPredictions(predictions, reporting),
  }));
  const choosingTop1 = parts.map((part) => top1Of(part.choosing));
  const cheaper = (a: number, b: number): number => {
    const [x, y] = [candidates[a] as SizeCandidate, candidates[b] as SizeCandidate];
    return x.cost - y.cost || x.effort - y.effort || (choosingTop1[b] as number) - (choosingTop1[a] as number) || a - b;
  };
  const order = [...candidates.keys()].sort(cheaper);
  const best = order.reduce((most, i) => ((choosingTop1[i] as number) > (choosingTop1[most] as number) ? i : most));
  const compare = (half: 'choosing' | 'reporting', from: number, to: number): PairedComparison =>
    comparePaired((parts[from] as (typeof parts)[number])[half], (parts[to] as (typeof parts)[number])[half]);
  const others = order.filter((i) => i !== best);
  const adjusted = holm(others.map((i) => compare('choosing', i, best).p));
  const within = order.filter((i) => i === best || (adjusted[others.indexOf(i)] as number) >= ALPHA);
  const separated = within.length < order.length;
  const recommended = separated ? (within[0] as number) : baseline;
  return {
    best,
    recommended,
    separated,
    choosingImages: choosing.length,
    reportingImages: reporting.length,
    choosingTop1,
    reportingTop1: parts.map((part) => top1Of(part.reporting)),
    choosing: compare('choosing', baseline, best),
    againstBaseline: compare('reporting', baseline, recommended),
    againstBest: compare('reporting', best, recommended),
  };
}
