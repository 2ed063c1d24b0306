import type { TargetRows } from '../store/index.ts';

/** How one teacher's stored targets differ from what it says now. */
export interface TargetDifference {
  /** Rows compared. */
  readonly rows: number;
  /** Largest |Δ| of a stored value, of a row's highest logit, of a log-sum-exp. */
  readonly logits: number;
  readonly max: number;
  readonly lse: number;
  /** The largest of these that rounding to the storage type does not explain, over max(1, range of the row's logits). */
  readonly relative: number;
  /** KL(stored ‖ now) at T = 1 in nats, both normalised over the classes that are stored. */
  readonly meanKl: number;
  readonly maxKl: number;
  /** Share of rows whose best class is the same. */
  readonly top1: number;
  /** Mean share of the K (dense: 5) best classes that are the same, in any order. */
  readonly overlap: number;
  /** Largest |Δ| of the mean or deviation of an input channel, over max(1, |value|). */
  readonly inputs: number;
}

/** Half a unit in the last place, relative; the smallest subnormal of binary16. */
const HALF_ULP_16 = 2 ** -11;
const SUBNORMAL_16 = 2 ** -24;
const HALF_ULP_32 = 2 ** -24;
/** Classes whose agreement is told for dense stores. */
const TOP = 5;

const rounding16 = (value: number): number => Math.max(SUBNORMAL_16, Math.abs(value) * HALF_ULP_16);
const rounding32 = (value: number): number => Math.abs(value) * HALF_ULP_32;

/** ln Σ exp(z/T), for z <= 0. */
function logSumExp(z: Iterable<number>, temperature = 1): number {
  let sum = 0;
  for (const value of z) sum += Math.exp(value / temperature);
  return Math.log(sum);
}

/** The best classes, of equal ones the lower index first. */
function bestOf(z: Float64Array, count: number): number[] {
  return [...z.keys()].sort((a, b) => (z[b] as number) - (z[a] as number) || a - b).slice(0, count);
}

/** KL(p ‖ q) of softmax(p) and softmax(q). */
function divergence(p: Float64Array, q: Float64Array): number {
  const [lseP, lseQ] = [logSumExp(p), logSumExp(q)];
  const kl = p.reduce((sum, value, k) => {
    const logP = value - lseP;
    return sum + Math.exp(logP) * (logP - ((q[k] as number) - lseQ));
  }, 0);
  return Math.max(0, kl);
}

/** Largest |a - b|, and the largest of what `rounding` of the stored value does not explain. */
function largest(
  stored: ArrayLike<number>,
  now: ArrayLike<number>,
  rounding: (value: number) => number,
): [number, number] {
  let [difference, unexplained] = [0, 0];
  for (let i = 0; i < stored.length; i++) {
    const delta = Math.abs((stored[i] as number) - (now[i] as number));
    difference = Math.max(difference, delta);
    unexplained = Math.max(unexplained, delta - rounding(stored[i] as number));
  }
  return [difference, unexplained];
}

/** Largest |a - b| over max(1, |b|). */
function largestRelative(now: Float32Array, then: Float32Array): number {
  return now.reduce((most, value, i) => {
    const stored = then[i] as number;
    return Math.max(most, Math.abs(value - stored) / Math.max(1, Math.abs(stored)));
  }, 0);
}

/** Mean and deviation of a network input, per channel. */
export type RowInputs = readonly [mean: Float32Array, std: Float32Array];

/** @param z what the teacher says now, before centring */
function compareRow(
  stored: TargetRows,
  row: number,
  z: Float64Array,
  inputs: RowInputs,
  form: { readonly temperatures: readonly number[]; readonly half: boolean },
): Omit<TargetDifference, 'rows' | 'meanKl'> {
  const { width, indices } = stored;
  const of = <T extends Float32Array | Uint16Array | Uint32Array>(column: T, each: number): T =>
    column.subarray(row * each, (row + 1) * each) as T;
  const m = z.reduce((a, b) => Math.max(a, b));
  const centred = z.map((value) => value - m);
  const range = Math.max(1, -centred.reduce((a, b) => Math.min(a, b)));
  const kept = Float64Array.from(of(stored.values, width));
  const classes = indices && [...of(indices, width)];
  const now = classes ? Float64Array.from(classes, (index) => centred[index] as number) : centred;
  const lse = form.temperatures.map((temperature) => logSumExp(centred, temperature));

  const [logits, byLogits] = largest(kept, now, form.half ? rounding16 : rounding32);
  const [lseDifference, byLse] = largest(of(stored.lse, form.temperatures.length), lse, rounding32);
  const [maxDifference, byMax] = largest(of(stored.max, 1), [m], rounding32);
  const count = classes ? width : Math.min(TOP, width);
  const [bestNow, bestThen] = [bestOf(centred, count), classes ?? bestOf(kept, count)];
  const channels = inputs[0].length;
  return {
    logits,
    lse: lseDifference,
    max: maxDifference,
    relative: Math.max(byLogits / range, byLse / range, byMax / Math.max(range, Math.abs(m))),
    maxKl: divergence(kept, now),
    top1: Number(bestNow[0] === bestThen[0]),
    overlap: bestNow.filter((index) => bestThen.includes(index)).length / count,
    inputs: Math.max(
      largestRelative(inputs[0], of(stored.inputMean, channels)),
      largestRelative(inputs[1], of(stored.inputStd, channels)),
    ),
  };
}

/**
 * Compares rows one after the other.
 * @param half whether values are stored as float16: its rounding is no difference
 */
export function targetComparison(temperatures: readonly number[], half: boolean) {
  let most = { logits: 0, max: 0, lse: 0, relative: 0, maxKl: 0, inputs: 0 };
  let sums = { rows: 0, kl: 0, top1: 0, overlap: 0 };
  return {
    /** @param z what the teacher says now */
    add(stored: TargetRows, row: number, z: Float64Array, inputs: RowInputs): void {
      const found = compareRow(stored, row, z, inputs, { temperatures, half });
      most = {
        logits: Math.max(most.logits, found.logits),
        max: Math.max(most.max, found.max),
        lse: Math.max(most.lse, found.lse),
        relative: Math.max(most.relative, found.relative),
        maxKl: Math.max(most.maxKl, found.maxKl),
        inputs: Math.max(most.inputs, found.inputs),
      };
      sums = {
        rows: sums.rows + 1,
        kl: sums.kl + found.maxKl,
        top1: sums.top1 + found.top1,
        overlap: sums.overlap + found.overlap,
      };
    },
    result(): TargetDifference {
      const mean = (sum: number): number => (sums.rows === 0 ? 0 : sum / sums.rows);
      return { ...most, rows: sums.rows, meanKl: mean(sums.kl), top1: mean(sums.top1), overlap: mean(sums.overlap) };
    },
  };
}
