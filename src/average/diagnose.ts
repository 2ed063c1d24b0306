import { decodeBfloat16, float16Table } from '../core/index.ts';
import { elementCount, type FloatType, type Model, openPayload } from '../onnx/index.ts';
import { FLOAT_BYTES } from './kernel/float-blocks.ts';
import type { AveragedTensor } from './tensor-plan.ts';

export interface NonFiniteTensor {
  readonly tensor: string;
  readonly count: number;
  readonly firstElement: number;
}

export interface SnapshotDiagnosis {
  readonly path: string;
  /** ‖x − mean‖ / ‖mean‖ over all averaged weights. */
  readonly distance: number;
  /** Median over the other snapshots of the cosine between the two. */
  readonly medianCosine: number;
  readonly nonFinite: readonly NonFiniteTensor[];
  /** Why it does not belong; empty if it does. */
  readonly warnings: readonly string[];
}

export interface TensorSpread {
  readonly tensor: string;
  /** √(Σᵢ‖xᵢ − mean‖² / N) / ‖mean‖. */
  readonly spread: number;
}

export interface Diagnosis {
  readonly snapshots: readonly SnapshotDiagnosis[];
  /** cosine[i][j] between snapshots i and j. */
  readonly cosine: readonly (readonly number[])[];
  /** Tensors by spread, widest first. */
  readonly tensors: readonly TensorSpread[];
  readonly warnings: readonly string[];
}

const BLOCK_ELEMENTS = 16384;
/**
 * A snapshot whose median distance to the others is twice what is usual among them is of another run, or broken: in the
 * fixtures the ratio stays below 1.3, and an untrained network among them gives over 3.
 */
const OUTLIER_RATIO = 2;
/** Snapshots of one run stay above .5; independently trained networks are near 0 (their weights are permuted). */
const UNRELATED_COSINE = 0.25;

/** Decodes a block to float64; returns whether all values are finite. */
function decode(type: FloatType, bytes: Uint8Array, count: number, into: Float64Array): boolean {
  const { buffer, byteOffset } = bytes;
  let zero = 0;
  const table = float16Table();
  const bits16 = (): Uint16Array => new Uint16Array(buffer, byteOffset, count);
  if (type === 'float32') into.set(new Float32Array(buffer, byteOffset, count));
  else if (type === 'float64') into.set(new Float64Array(buffer, byteOffset, count));
  else if (type === 'float16') for (const [i, bits] of bits16().entries()) into[i] = table[bits] as number;
  else for (const [i, bits] of bits16().entries()) into[i] = decodeBfloat16(bits);
  for (let i = 0; i < count; i++) zero += (into[i] as number) * 0;
  return zero === 0;
}

function dot(a: Float64Array, b: Float64Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

const square = (n: number): number[][] => Array.from({ length: n }, () => new Array<number>(n).fill(0));

/** Sums of one pass: scalar products of the deviations from the mean, per tensor and over all. */
interface Sums {
  readonly deviations: number[][];
  readonly products: number[][];
  readonly nonFinite: NonFiniteTensor[][];
  readonly tensors: TensorSpread[];
  meanSquare: number;
}

/** Adds one tensor. Tensors with a NaN or Inf anywhere are reported and left out of all distances. */
function addTensor(
  sums: Sums,
  models: readonly Model[],
  tensor: AveragedTensor,
  values: readonly Float64Array[],
  raw: readonly Uint8Array[],
): void {
  const type = tensor.type as FloatType;
  const n = models.length;
  const count = elementCount(tensor.template.dims);
  const mean = new Float64Array(BLOCK_ELEMENTS);
  const [deviations, products] = [square(n), square(n)];
  let meanSquare = 0;
  const bad = models.map(() => ({ count: 0, firstElement: -1 }));
  const cursors = tensor.sources.map((source, i) => openPayload(models[i] as Model, source));
  for (let start = 0; start < count; start += BLOCK_ELEMENTS) {
    const length = Math.min(BLOCK_ELEMENTS, count - start);
    mean.fill(0);
    for (const [i, cursor] of cursors.entries()) {
      const bytes = (raw[i] as Uint8Array).subarray(0, length * FLOAT_BYTES[type]);
      const x = values[i] as Float64Array;
      cursor.read(bytes);
      if (!decode(type, bytes, length, x)) {
        for (let k = 0; k < length; k++) {
          if (Number.isFinite(x[k])) continue;
          const found = bad[i] as { count: number; firstElement: number };
          if (found.count++ === 0) found.firstElement = start + k;
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
        [sums.products, products],
      ] as const) {
        const value = ((total[i] as number[])[j] as number) + ((part[i] as number[])[j] as number);
        (total[i] as number[])[j] = value;
        (total[j] as number[])[i] = value;
      }
    }
  }
  sums.meanSquare += meanSquare;
  const total = deviations.reduce((sum, row, i) => sum + (row[i] as number), 0);
  sums.tensors.push({ tensor: tensor.name, spread: total === 0 ? 0 : Math.sqrt(total / n / meanSquare) });
}

/**
 * Measures how well snapshots belong together: distances from their mean, pairwise cosines, NaN and Inf by tensor, and
 * which tensors differ most. One pass; N²/2 scalar products of the weights, in float64.
 * @param tensors the averaged tensors of the snapshots' plan
 */
export function diagnose(models: readonly Model[], tensors: readonly AveragedTensor[]): Diagnosis {
  const n = models.length;
  const sums: Sums = {
    deviations: square(n),
    products: square(n),
    nonFinite: models.map(() => []),
    tensors: [],
    meanSquare: 0,
  };
  const values = models.map(() => new Float64Array(BLOCK_ELEMENTS));
  const raw = models.map(() => new Uint8Array(BLOCK_ELEMENTS * 8));
  for (const tensor of tensors) if (tensor.type !== undefined) addTensor(sums, models, tensor, values, raw);

  const at = (matrix: readonly (readonly number[])[], i: number, j: number): number => matrix[i]?.[j] as number;
  const cosine = models.map((_, i) =>
    models.map((__, j) =>
      i === j ? 1 : at(sums.products, i, j) / Math.sqrt(at(sums.products, i, i) * at(sums.products, j, j)),
    ),
  );
  const others = (i: number): number[] => models.flatMap((_, j) => (j === i ? [] : [j]));
  const apart = models.map((_, i) =>
    median(
      others(i).map((j) =>
        Math.sqrt(Math.max(0, at(sums.deviations, i, i) + at(sums.deviations, j, j) - 2 * at(sums.deviations, i, j))),
      ),
    ),
  );
  const usual = median(apart);
  const snapshots = models.map((model, i): SnapshotDiagnosis => {
    const nonFinite = sums.nonFinite[i] as NonFiniteTensor[];
    const medianCosine = n > 1 ? median(others(i).map((j) => at(cosine, i, j))) : 1;
    const ratio = (apart[i] as number) / usual;
    const warnings = [
      ...nonFinite.map(
        ({ tensor, count, firstElement }) =>
          `${count} NaN or Inf in ${JSON.stringify(tensor)}, the first at element ${firstElement}`,
      ),
      ...(n > 2 && ratio > OUTLIER_RATIO
        ? [`does not belong: ${ratio.toFixed(1)} times as far from the others as they are from each other`]
        : []),
    ];
    return {
      path: model.path,
      distance: Math.sqrt(at(sums.deviations, i, i) / sums.meanSquare),
      medianCosine,
      nonFinite,
      warnings,
    };
  });
  const overall = median(snapshots.map(({ medianCosine }) => medianCosine));
  return {
    snapshots,
    cosine,
    tensors: sums.tensors.toSorted((a, b) => b.spread - a.spread),
    warnings:
      n > 1 && overall < UNRELATED_COSINE
        ? [
            `these snapshots look independently trained (median cosine ${overall.toFixed(3)}): their average will not work`,
          ]
        : [],
  };
}
