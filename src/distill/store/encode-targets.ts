import { encodeFloat16, TemperError } from '../../core/index.ts';
import type { ColumnArrays } from './columns.ts';
import type { StoreRun } from './manifest.ts';

/** The largest finite binary16. */
const MAX_FLOAT16 = 65_504;

/** The places of the K highest values, best first; of equal values the lower index. */
function topK(values: Float64Array, into: Int32Array): void {
  const k = into.length;
  let held = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (held === k && value <= (values[into[k - 1] as number] as number)) continue;
    let at = Math.min(held, k - 1);
    while (at > 0 && value > (values[into[at - 1] as number] as number)) {
      into[at] = into[at - 1] as number;
      at--;
    }
    into[at] = i;
    if (held < k) held++;
  }
}

/**
 * Makes the function that writes a teacher's targets of one row, all of them computed in float64 from what the network
 * gave and rounded once. With z the logits (ln p for probabilities) and m = max z:
 * - `max` = m; `logits` or `values` = z - m (all <= 0), of the K highest with their `indices`, ties by the lower index;
 * - `lse` = ln Σ exp((z - m)/T) over all classes, for each temperature T: ln softmax(z/T) is exactly
 *   (z - m)/T - lse, for stored classes, whatever was left out.
 * @returns encode(row, z, where): `where` is what messages call the row. Throws TemperError NUMERIC_NONFINITE for a NaN or
 *   infinity, NUMERIC_OVERFLOW for a stored value under -65504 in a float16 store
 */
export function targetEncoder(
  { top_k, store_dtype, temperatures }: Pick<StoreRun, 'top_k' | 'store_dtype' | 'temperatures'>,
  columns: ColumnArrays,
): (row: number, z: Float64Array, where: string) => void {
  const half = store_dtype === 'float16';
  const kept = (top_k === null ? columns.logits : columns.values) as Uint16Array | Float32Array;
  const indices = columns.indices as Uint16Array | Uint32Array | undefined;
  const [max, lse] = [columns.max, columns.lse] as [Float32Array, Float32Array];
  const best = new Int32Array(top_k ?? 0);

  const store = (at: number, value: number, where: string, index: number): void => {
    if (half && value < -MAX_FLOAT16) {
      throw new TemperError(
        'NUMERIC_OVERFLOW',
        `${where}: class ${index} is ${-value} below the highest: more than float16 holds (${MAX_FLOAT16})`,
        { hint: 'Use `storeDtype` float32, or `topK`.', details: { class: index, value } },
      );
    }
    kept[at] = half ? encodeFloat16(value) : value;
  };
  return (row, z, where) => {
    let m = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < z.length; i++) {
      const value = z[i] as number;
      // -Infinity too: no storage type keeps it apart from an overflow, and softmax at high T would not be finite.
      if (!Number.isFinite(value)) {
        throw new TemperError('NUMERIC_NONFINITE', `${where}: class ${i} is ${value}`, {
          hint: 'Check the weights (avg-ckpt diagnose) and the normalisation; store logits, not their logarithm.',
          details: { class: i },
        });
      }
      if (value > m) m = value;
    }
    if (indices) {
      topK(z, best);
      const first = row * best.length;
      for (let k = 0; k < best.length; k++) {
        const index = best[k] as number;
        indices[first + k] = index;
        store(first + k, (z[index] as number) - m, where, index);
      }
    } else {
      const first = row * z.length;
      for (let i = 0; i < z.length; i++) store(first + i, (z[i] as number) - m, where, i);
    }
    max[row] = m;
    for (let t = 0; t < temperatures.length; t++) {
      const temperature = temperatures[t] as number;
      let sum = 0;
      for (let i = 0; i < z.length; i++) sum += Math.exp(((z[i] as number) - m) / temperature);
      lse[row * temperatures.length + t] = Math.log(sum);
    }
  };
}
