import { DECODERS, ENCODERS, FLOAT_BYTES, type FloatType, float64View, isFiniteAt } from '../../core/index.ts';
import type { BlockKernel } from '../kernel/block-kernel.ts';
import { swagMoments } from './swag-moments.ts';
import { diagonalNormals, lowRankNormals, type SwagRow, type SwagSample } from './swag-sample.ts';

/** Weights whose moments are held at a time: with 20 snapshots and rank 20 some 1.5 MiB. */
const CHUNK = 4096;

type Values = Float32Array | Float64Array;

function chunkOf(type: FloatType, bytes: Uint8Array, start: number, count: number): Values {
  if (type === 'float64') return float64View(bytes, start, count);
  return DECODERS[type](bytes, start, count, () => new Float32Array(count)).subarray(0, count);
}

/**
 * Draws samples of one tensor, block by block, in order: θ = mean + √scale · (√Σ_diag ∘ z1 + D z2 / √(rank − 1)), which with scale
 * 1/2 is the paper's. Rows of other kinds (undefined) are left to `rest`.
 * Source: Maddox et al. 2019, arXiv 1902.02476, Eq. 1 (the divisor is that of the columns there are, not of the maximum).
 *
 * Numerics: float64, rounded once. Memory: (rank + 3) chunks of 4,096 float64.
 */
export function swagKernel(
  rows: readonly (SwagRow | undefined)[],
  tensor: string,
  from: FloatType,
  to: FloatType,
  rest: BlockKernel,
): BlockKernel {
  const sampled = rows.flatMap((drawn, row) => {
    if (!drawn) return [];
    const { swag } = drawn;
    return [{ row, swag, z2: lowRankNormals(swag), z1: diagonalNormals(swag, tensor) }];
  });
  const values = new Float64Array(CHUNK);
  return (inputs, outputs, count) => {
    let found = rest(inputs, outputs, count);
    const bytes = count * FLOAT_BYTES[from];
    const [first] = inputs as [Uint8Array];
    // No variance where all snapshots agree; the stream goes on as if there were.
    const constant = inputs.every((input) => Buffer.compare(input.subarray(0, bytes), first.subarray(0, bytes)) === 0);
    for (let start = 0; start < count; start += CHUNK) {
      const length = Math.min(CHUNK, count - start);
      const xs = inputs.map((input) => chunkOf(from, input, start, length));
      const rank = sampled.reduce((most, { swag }) => Math.max(most, swag.rank), 0);
      const moments = swagMoments(xs, rank, length);
      for (const { row, swag, z1, z2 } of sampled) {
        const deviations = moments.deviations.slice(rank - swag.rank);
        draw(values, moments, deviations, swag, z1, z2, length);
        const output = outputs[row] as Uint8Array;
        // A wide variance can leave float16's range where the mean does not.
        if (!constant && !ENCODERS[to](values, 1, output, start, length)) {
          let element = start;
          while (isFiniteAt(to, output, element)) element++;
          found ??= { row, element, inputs: [] };
        }
      }
    }
    return found;
  };
}

function draw(
  values: Float64Array,
  { mean, variance }: { readonly mean: Float64Array; readonly variance: Float64Array },
  deviations: readonly Float64Array[],
  { rank, scale }: SwagSample,
  z1: () => number,
  z2: Float64Array,
  count: number,
): void {
  const root = Math.sqrt(scale);
  const lowRank = rank > 0 ? root / Math.sqrt(rank - 1) : 0;
  for (let i = 0; i < count; i++) values[i] = root * Math.sqrt(variance[i] as number) * z1();
  for (const [k, column] of deviations.entries()) {
    const z = lowRank * (z2[k] as number);
    for (let i = 0; i < count; i++) values[i] = (values[i] as number) + z * (column[i] as number);
  }
  for (let i = 0; i < count; i++) values[i] = (values[i] as number) + (mean[i] as number);
}
