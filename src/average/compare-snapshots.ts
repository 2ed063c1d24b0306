import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { decodeFloat64, FLOAT_BYTES, type FloatType } from '../core/index.ts';
import { elementCount } from '../onnx/index.ts';
import type { SummedTensor } from './averaged-tensor.ts';

interface NonFiniteTensor {
  readonly tensor: string;
  readonly count: number;
  readonly first_element: number;
}

interface SnapshotDiagnosis {
  readonly path: string;
  /** ‖x − mean‖ / ‖mean‖ over all averaged weights. */
  readonly distance: number;
  /** Median over the other snapshots of the cosine between the two, as in Diagnosis. */
  readonly median_cosine: number;
  readonly non_finite: readonly NonFiniteTensor[];
  /** Why it does not belong; empty if it does. */
  readonly warnings: readonly string[];
}

interface TensorSpread {
  readonly tensor: string;
  /** √(Σᵢ‖xᵢ − mean‖² / N) / ‖mean‖. */
  readonly spread: number;
}

/** How well snapshots belong together (lower_snake_case, as all documents). */
export interface Diagnosis {
  readonly snapshots: readonly SnapshotDiagnosis[];
  /**
   * cosine[i][j] between the filters and matrices (two dimensions or more) of snapshots i and j. Vectors count only where
   * there is nothing else: BatchNormalization's scales and variances are positive in every network, so that two of
   * independent training would have .34 in common.
   */
  readonly cosine: readonly (readonly number[])[];
  /** Tensors by spread, widest first. */
  readonly tensors: readonly TensorSpread[];
  readonly warnings: readonly string[];
}

const BLOCK_ELEMENTS = 16384;
/**
 * A snapshot whose median distance to the others is twice what is usual among them is of another run, or broken. Measured on
 * the fixtures' network: the fixtures stay below 1.3; an untrained network among them has 6.2, one of another seed 5.9, and
 * the first epoch of a whole run 1.9 to 2.7.
 */
const OUTLIER_RATIO = 2;
/**
 * Measured on the fixtures' network: snapshots of one run have .96 and more among the fixtures and .70 between its first and
 * its last epoch; networks trained from different seeds have -.03 to .005 (their channels are in another order).
 */
const UNRELATED_COSINE = 0.25;

function dot(a: Float64Array, b: Float64Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** The middle value, of two the smaller: of three snapshots each good one is near one other and far from the outlier. */
function lowerMedian(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** √(squares / of), 0 for nothing of nothing. */
const relative = (squares: number, of: number): number => (squares === 0 ? 0 : Math.sqrt(squares / of));

const square = (n: number): number[][] => Array.from({ length: n }, () => new Array<number>(n).fill(0));

/** A file of the run: its path alone is asked. */
interface Snapshot {
  readonly path: string;
}

/** Sums of one pass. */
interface Sums {
  /** Scalar products of the deviations from the mean, over all tensors. */
  readonly deviations: number[][];
  /** Scalar products of the values, over the tensors that the cosine is taken of. */
  readonly products: number[][];
  readonly nonFinite: NonFiniteTensor[][];
  readonly tensors: TensorSpread[];
  /** Of each snapshot's values: equal ones are one snapshot. */
  readonly hashes: readonly Hash[];
  meanSquare: number;
}

/** Adds one tensor. Tensors with a NaN or Inf anywhere are reported and left out of all distances. */
function addTensor(
  sums: Sums,
  models: readonly Snapshot[],
  tensor: SummedTensor,
  values: readonly Float64Array[],
  raw: readonly Uint8Array[],
  inCosine: boolean,
): void {
  const type = tensor.type as FloatType;
  const n = models.length;
  const count = elementCount(tensor.dims);
  const mean = new Float64Array(BLOCK_ELEMENTS);
  const [deviations, products] = [square(n), square(n)];
  let meanSquare = 0;
  const bad = models.map(() => ({ count: 0, first_element: -1 }));
  const cursors = tensor.sources.map((source) => source.open());
  for (let start = 0; start < count; start += BLOCK_ELEMENTS) {
    const length = Math.min(BLOCK_ELEMENTS, count - start);
    mean.fill(0);
    for (const [i, cursor] of cursors.entries()) {
      const bytes = (raw[i] as Uint8Array).subarray(0, length * FLOAT_BYTES[type]);
      const x = values[i] as Float64Array;
      cursor.read(bytes);
      sums.hashes[i]?.update(bytes);
      if (!decodeFloat64(type, bytes, length, x)) {
        for (let k = 0; k < length; k++) {
          if (Number.isFinite(x[k])) continue;
          const found = bad[i] as { count: number; first_element: number };
          if (found.count++ === 0) found.first_element = start + k;
        }
      }
      for (let k = 0; k < length; k++) mean[k] = (mean[k] as number) + (x[k] as number) / n;
    }
    meanSquare += dot(mean, mean, length);
    for (let i = 0; i < n; i++) {
      for (let j = i; j < n; j++)
        (products[i] as number[])[j] =
          ((products[i] as number[])[j] as number) + dot(values[i] as Float64Array, values[j] as Float64Array, length);
    }
    // Deviations are summed as such: ‖x‖² − ‖mean‖² would cancel.
    for (const x of values) for (let k = 0; k < length; k++) x[k] = (x[k] as number) - (mean[k] as number);
    for (let i = 0; i < n; i++) {
      for (let j = i; j < n; j++)
        (deviations[i] as number[])[j] =
          ((deviations[i] as number[])[j] as number) +
          dot(values[i] as Float64Array, values[j] as Float64Array, length);
    }
  }
  bad.forEach((found, i) => {
    if (found.count > 0) sums.nonFinite[i]?.push({ tensor: tensor.name, ...found });
  });
  if (bad.some((found) => found.count > 0)) return;
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      for (const [total, part] of [
        [sums.deviations, deviations],
        ...(inCosine ? [[sums.products, products] as const] : []),
      ] as const) {
        const value = ((total[i] as number[])[j] as number) + ((part[i] as number[])[j] as number);
        (total[i] as number[])[j] = value;
        (total[j] as number[])[i] = value;
      }
    }
  }
  sums.meanSquare += meanSquare;
  const total = deviations.reduce((sum, row, i) => sum + (row[i] as number), 0);
  sums.tensors.push({ tensor: tensor.name, spread: relative(total / n, meanSquare) });
}

/** The first snapshot that each one equals: itself mostly. Codes of quantized tensors are not looked at here, and may differ. */
function equalTo(hashes: readonly Hash[], tensors: readonly SummedTensor[]): number[] {
  const digests = hashes.map((hash) => hash.digest('hex'));
  return digests.map((digest, i) => (tensors.every(({ type }) => type !== undefined) ? digests.indexOf(digest) : i));
}

/**
 * Measures how well snapshots belong together: distances from their mean, pairwise cosines, NaN and Inf by tensor, and
 * which tensors differ most. One pass; N²/2 scalar products of the weights, in float64.
 * @param tensors the averaged tensors of the snapshots' plan
 */
export async function compareSnapshots(
  models: readonly Snapshot[],
  tensors: readonly SummedTensor[],
  signal: AbortSignal,
): Promise<Diagnosis> {
  const n = models.length;
  const sums: Sums = {
    deviations: square(n),
    products: square(n),
    nonFinite: models.map(() => []),
    tensors: [],
    hashes: models.map(() => createHash('sha256')),
    meanSquare: 0,
  };
  const values = models.map(() => new Float64Array(BLOCK_ELEMENTS));
  const raw = models.map(() => new Uint8Array(BLOCK_ELEMENTS * 8));
  const isMatrix = ({ dims }: SummedTensor): boolean => dims.length > 1;
  const anyMatrix = tensors.some(isMatrix);
  for (const tensor of tensors) {
    if (tensor.type !== undefined) addTensor(sums, models, tensor, values, raw, !anyMatrix || isMatrix(tensor));
    await setImmediate();
    signal.throwIfAborted();
  }

  const at = (matrix: readonly (readonly number[])[], i: number, j: number): number => matrix[i]?.[j] as number;
  const cosine = models.map((_, i) =>
    models.map((__, j) => {
      const [x, y] = [at(sums.products, i, i), at(sums.products, j, j)];
      // Weights that are all zero have no direction: they are like each other and like nothing else.
      return i === j ? 1 : x * y > 0 ? at(sums.products, i, j) / Math.sqrt(x * y) : Number(x === y);
    }),
  );
  const others = (i: number): number[] => models.flatMap((_, j) => (j === i ? [] : [j]));
  const distance = (i: number, j: number): number =>
    Math.sqrt(Math.max(0, at(sums.deviations, i, i) + at(sums.deviations, j, j) - 2 * at(sums.deviations, i, j)));
  // Equal snapshots are one point, however often it is there: beside the distance 0 between them any other is infinitely far.
  const first = equalTo(sums.hashes, tensors);
  const points = models.flatMap((_, i) => (first[i] === i ? [i] : []));
  const apart = models.map((_, i) =>
    lowerMedian(points.filter((j) => j !== first[i]).map((j) => distance(first[i] as number, j))),
  );
  const usual = median(points.map((i) => apart[i] as number));
  const snapshots = models.map((model, i): SnapshotDiagnosis => {
    const nonFinite = sums.nonFinite[i] as NonFiniteTensor[];
    const medianCosine = n > 1 ? median(others(i).map((j) => at(cosine, i, j))) : 1;
    const ratio = (apart[i] as number) / usual;
    const warnings = [
      ...nonFinite.map(
        ({ tensor, count, first_element: first }) =>
          `${count} NaN or Inf in ${JSON.stringify(tensor)}, the first at element ${first}`,
      ),
      ...(points.length > 2 && usual > 0 && ratio > OUTLIER_RATIO
        ? [`does not belong: ${ratio.toFixed(1)} times as far from the others as they are from each other`]
        : []),
    ];
    return {
      path: model.path,
      distance: relative(at(sums.deviations, i, i), sums.meanSquare),
      median_cosine: medianCosine,
      non_finite: nonFinite,
      warnings,
    };
  });
  const overall = median(snapshots.map(({ median_cosine: own }) => own));
  return {
    snapshots,
    cosine,
    tensors: sums.tensors.toSorted((a, b) => b.spread - a.spread),
    warnings: [
      ...models.flatMap(({ path }, i) =>
        models[first[i] as number]?.path === path
          ? []
          : [`${path}: the same weights as ${models[first[i] as number]?.path}`],
      ),
      ...(n > 1 && overall < UNRELATED_COSINE
        ? [
            `these snapshots look independently trained (median cosine ${overall.toFixed(3)}): their average will not work`,
          ]
        : []),
    ],
  };
}
