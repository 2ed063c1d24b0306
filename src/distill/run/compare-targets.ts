import type { TargetRows } from '../store/index.ts';

/** How one teacher's stored targets differ from what it says now. */
export interface TargetDifference {
  /** Rows compared. */
  readonly rows: number;
  /** Largest |Δ| of a stored value, of the row's highest logit and of a log-sum-exp. */
  readonly logits: number;
  readonly max: number;
  readonly lse: number;
  /** The largest of these that rounding does not explain, over max(1, the row's range of logits). */
  readonly relative: number;
  /** KL(stored ‖ now) at T = 1, in nats; of a top-K row the classes that are left out count as one. */
  readonly meanKl: number;
  readonly maxKl: number;
  /** Share of rows whose best class is the same. */
  readonly top1: number;
  /** Mean share of the K (dense: 5) best classes that are the same, in any order. */
  readonly overlap: number;
  /** Largest |Δ| of the mean or deviation of an input channel, over max(1, |value|). */
  readonly inputs: number;
}

/** Half a unit in the last place of binary16, relative; the smallest subnormal. */
const HALF_ULP = 2 ** -11;
const SUBNORMAL = 2 ** -24;
/** float32's, for what is stored in it. */
const SINGLE_ULP = 2 ** -24;
/** Classes whose agreement is told for dense stores. */
const TOP = 5;

/** The best classes of a row, as a set. */
function bestOf(z: Float64Array, count: number): number[] {
  return [...z.keys()].sort((a, b) => (z[b] as number) - (z[a] as number) || a - b).slice(0, count);
}

interface Sums {
  rows: number;
  logits: number;
  max: number;
  lse: number;
  relative: number;
  kl: number;
  maxKl: number;
  top1: number;
  overlap: number;
  inputs: number;
}

/**
 * Compares rows one after the other. Pure but for its sums.
 * @param half whether values are stored as float16: its rounding is no difference
 */
export function targetComparison(temperatures: readonly number[], half: boolean) {
  const sums: Sums = {
    rows: 0,
    logits: 0,
    max: 0,
    lse: 0,
    relative: 0,
    kl: 0,
    maxKl: 0,
    top1: 0,
    overlap: 0,
    inputs: 0,
  };
  /** @param z what the teacher says now @param inputs [mean, std] of its input, channels each */
  const add = (
    stored: TargetRows,
    row: number,
    z: Float64Array,
    inputs: readonly [Float32Array, Float32Array],
  ): void => {
    const { width, values, indices } = stored;
    const m = z.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const range = Math.max(1, m - z.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY));
    const first = row * width;
    const rounding = (value: number): number =>
      half ? Math.max(SUBNORMAL, Math.abs(value) * HALF_ULP) : Math.abs(value) * SINGLE_ULP;
    const unexplained = (difference: number, value: number): void => {
      sums.relative = Math.max(sums.relative, (difference - rounding(value)) / range);
    };
    const storedLse = stored.lse.subarray(row * temperatures.length, (row + 1) * temperatures.length);
    const lseNow = temperatures.map((t) => Math.log(z.reduce((sum, value) => sum + Math.exp((value - m) / t), 0)));
    for (let k = 0; k < width; k++) {
      const value = values[first + k] as number;
      const difference = Math.abs(value - ((z[indices ? (indices[first + k] as number) : k] as number) - m));
      sums.logits = Math.max(sums.logits, difference);
      unexplained(difference, value);
    }
    for (const [t, now] of lseNow.entries()) {
      const difference = Math.abs((storedLse[t] as number) - now);
      sums.lse = Math.max(sums.lse, difference);
      sums.relative = Math.max(sums.relative, (difference - Math.abs(now) * SINGLE_ULP) / range);
    }
    const maxDifference = Math.abs((stored.max[row] as number) - m);
    sums.max = Math.max(sums.max, maxDifference);
    sums.relative = Math.max(sums.relative, (maxDifference - Math.abs(m) * SINGLE_ULP) / Math.max(range, Math.abs(m)));

    const kl = klOfRow(stored, row, z, m);
    sums.kl += kl;
    sums.maxKl = Math.max(sums.maxKl, kl);
    const count = indices ? width : Math.min(TOP, width);
    const now = bestOf(z, count);
    const before = indices
      ? [...indices.subarray(first, first + width)]
      : bestOf(Float64Array.from(values.subarray(first, first + width)), count);
    sums.top1 += Number(now[0] === before[0]);
    sums.overlap += now.filter((index) => before.includes(index)).length / count;
    const channels = inputs[0].length;
    for (const [now_, then] of [
      [inputs[0], stored.inputMean],
      [inputs[1], stored.inputStd],
    ] as const) {
      for (let c = 0; c < channels; c++) {
        const [a, b] = [now_[c] as number, then[row * channels + c] as number];
        sums.inputs = Math.max(sums.inputs, Math.abs(a - b) / Math.max(1, Math.abs(b)));
      }
    }
    sums.rows++;
  };
  return {
    add,
    result(): TargetDifference {
      const { rows, kl, top1, overlap, relative, ...rest } = sums;
      const mean = (value: number): number => (rows === 0 ? 0 : value / rows);
      return {
        ...rest,
        rows,
        relative: Math.max(0, relative),
        meanKl: mean(kl),
        top1: mean(top1),
        overlap: mean(overlap),
      };
    },
  };
}

/** KL(stored ‖ now) at T = 1, both normalised by their own sums; what top-K leaves out counts as one class. */
function klOfRow({ width, values, indices }: TargetRows, row: number, z: Float64Array, m: number): number {
  const first = row * width;
  const lseNow = Math.log(z.reduce((sum, value) => sum + Math.exp(value - m), 0));
  const kept = values.subarray(first, first + width);
  const lseStored = Math.log(kept.reduce((sum, value) => sum + Math.exp(value), 0));
  // Of top-K rows the shares among the K are compared: those of the rest are compared by lse.
  let lseKept = lseNow;
  if (indices) {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += Math.exp((z[indices[first + k] as number] as number) - m);
    lseKept = Math.log(sum);
  }
  let kl = 0;
  for (let k = 0; k < width; k++) {
    const p = (kept[k] as number) - lseStored;
    const q = (z[indices ? (indices[first + k] as number) : k] as number) - m - lseKept;
    kl += Math.exp(p) * (p - q);
  }
  return Math.max(0, kl);
}
