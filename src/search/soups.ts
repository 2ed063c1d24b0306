import { normalisedRow, type Row } from '../average/index.ts';
import { meanOf } from './recipes.ts';

/** What a candidate is chosen by. */
export interface Score {
  readonly top1: number;
  readonly nll: number;
}

/** Scores rows; several at once can share a pass over the snapshots. */
export type ScoreRows = (rows: readonly Row[]) => Promise<readonly Score[]>;

/** Descending by accuracy; of equal ones the lower NLL first. */
export function byAccuracy(a: Score, b: Score): number {
  return b.top1 - a.top1 || a.nll - b.nll;
}

/** Snapshots from best to worst; of equals the earlier in plan order. */
export function rankSnapshots(singles: readonly Score[]): number[] {
  return [...singles.keys()].sort((i, j) => byAccuracy(singles[i] as Score, singles[j] as Score) || i - j);
}

/** A soup and how it came about. */
export interface Soup {
  /** Indexes of snapshots, in the order in which they were taken. */
  readonly members: readonly number[];
  readonly row: Row;
  readonly score: Score;
}

/**
 * Greedy soup: snapshots by held-out accuracy, best first; each joins the mean if the accuracy becomes strictly higher.
 * Source: Wortsman et al. 2022, Model soups, arXiv 2203.05482, Recipe 1; strictly as in its code (the paper's text
 * also admits equal accuracies).
 * N - 1 evaluations.
 * @param names of the snapshots in plan order, for the names of the rows
 * @param singles their scores
 */
export async function greedySoup(names: readonly string[], singles: readonly Score[], score: ScoreRows): Promise<Soup> {
  const [first = 0, ...others] = rankSnapshots(singles);
  const n = singles.length;
  let soup: Soup = { members: [first], row: meanOf('greedy', n, [first]), score: singles[first] as Score };
  for (const next of others) {
    const members = [...soup.members, next];
    const row = meanOf(`greedy_${members.length}_with_${names[next]}`, n, members);
    const [found] = await score([row]);
    if (found && found.top1 > soup.score.top1) soup = { members, row, score: found };
  }
  return soup;
}

/**
 * Pruned soup: from the mean of all, snapshots are taken out, worst first, where the accuracy becomes strictly higher, until a
 * whole round takes out none. After Dansereau et al. 2023, arXiv 2301.10092, which tries each snapshot once.
 */
export async function prunedSoup(names: readonly string[], singles: readonly Score[], score: ScoreRows): Promise<Soup> {
  const n = singles.length;
  const worstFirst = rankSnapshots(singles).reverse();
  const all = meanOf('pruned', n, singles.keys());
  const [start] = await score([all]);
  let soup: Soup = { members: [...singles.keys()], row: all, score: start as Score };
  for (let changed = true; changed; ) {
    changed = false;
    for (const out of worstFirst.filter((i) => soup.members.includes(i))) {
      const members = soup.members.filter((i) => i !== out);
      if (members.length === 0) break;
      const row = meanOf(`pruned_${members.length}_without_${names[out]}`, n, members);
      const [found] = await score([row]);
      if (!found || found.top1 <= soup.score.top1) continue;
      soup = { members, row, score: found };
      changed = true;
    }
  }
  return soup;
}

/** Factors that a coefficient is tried with; a coefficient of 0 is tried at half the mean one. */
const FACTORS = [0, 0.5, 2];
const ROUNDS = 3;
/** The most candidates that learnedRow tries. */
export const learnedTrials = (n: number): number => ROUNDS * FACTORS.length * n;

/** Smaller gains in NLL are not worth a coefficient. */
const LEAST_GAIN = 1e-4;

/**
 * Learned weights: coordinate search over the coefficients, from a given row, by the NLL (which is smooth where
 * the accuracy has steps). One coefficient after the other is scaled; the best of the trials stays if it lowers the NLL.
 * The parameter-free relative of the learned soup (Wortsman et al. 2022, Appendix I), which needs gradients.
 * At most 3 rounds of 3N evaluations.
 */
export async function learnedRow(start: Row, score: ScoreRows): Promise<{ row: Row; score: Score }> {
  const [first] = await score([start]);
  let best = { row: start, score: first as Score };
  for (let round = 0; round < ROUNDS; round++) {
    const before = best.score.nll;
    for (const i of start.coefficients.keys()) {
      const { coefficients, divisor } = best.row;
      const own = coefficients[i] as number;
      const mean = divisor / coefficients.length;
      const values = own === 0 ? [mean / 2] : FACTORS.map((factor) => factor * own);
      const rows = values
        .map((value) => normalisedRow('learned', coefficients.with(i, value)))
        .filter((row) => row.divisor > 0);
      const scores = await score(rows);
      for (const [k, found] of scores.entries()) {
        if (found.nll < best.score.nll - LEAST_GAIN) best = { row: rows[k] as Row, score: found };
      }
    }
    if (best.score.nll >= before - LEAST_GAIN) break;
  }
  return best;
}
