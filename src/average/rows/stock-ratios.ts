import { decodeFloat64, FLOAT_BYTES, type FloatType } from '../../core/index.ts';
import { elementCount } from '../../onnx/index.ts';
import type { SummedTensor, TensorSource } from '../averaged-tensor.ts';
import type { SummedRow } from '../kernel/block-kernel.ts';
import type { RowTerms } from './row-terms.ts';

const BLOCK_ELEMENTS = 16384;

/**
 * Model Stock's interpolation ratio: t = N·cos θ / (1 + (N − 1)·cos θ), θ the angle between two fine-tuned models seen from the anchor,
 * here the mean cosine of all pairs. 1 is the mean of the N, 0 the anchor. Cosines below 0 (Model Stock assumes an acute
 * angle) count as 0.
 * @param gram scalar products of the N differences from the anchor, [N][N]
 */
export function stockRatio(gram: readonly Float64Array[]): number {
  const n = gram.length;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const norms = Math.sqrt((gram[i]?.[i] as number) * (gram[j]?.[j] as number));
      // Where a model equals the anchor there is no angle: nothing speaks against it.
      sum += norms > 0 ? (gram[i]?.[j] as number) / norms : 1;
    }
  }
  const cosine = Math.min(1, Math.max(0, sum / ((n * (n - 1)) / 2)));
  return (n * cosine) / (1 + (n - 1) * cosine);
}

/**
 * The weights of one tensor: (1 − t) of the anchor, t / N of each other. One more pass over the tensor, in float64.
 *
 * Memory: a block of each snapshot.
 */
export function stockWeights(
  tensor: SummedTensor,
  row: Pick<RowTerms, 'coefficients'> & { readonly base: number },
): SummedRow {
  const type = tensor.type as FloatType;
  const { base } = row;
  const others = [...row.coefficients.keys()].filter((i) => i !== base && row.coefficients[i] !== 0);
  const indexes = [base, ...others];
  const cursors = indexes.map((i) => (tensor.sources[i] as TensorSource).open());
  const values = indexes.map(() => new Float64Array(BLOCK_ELEMENTS));
  const bytes = new Uint8Array(BLOCK_ELEMENTS * FLOAT_BYTES[type]);
  const gram = others.map(() => new Float64Array(others.length));
  const count = elementCount(tensor.dims);
  for (let start = 0; start < count; start += BLOCK_ELEMENTS) {
    const length = Math.min(BLOCK_ELEMENTS, count - start);
    for (const [k, cursor] of cursors.entries()) {
      const part = bytes.subarray(0, length * FLOAT_BYTES[type]);
      cursor.read(part);
      decodeFloat64(type, part, length, values[k] as Float64Array);
    }
    const [anchor, ...differences] = values as [Float64Array, ...Float64Array[]];
    for (const x of differences) for (let i = 0; i < length; i++) x[i] = (x[i] as number) - (anchor[i] as number);
    for (const [i, x] of differences.entries()) {
      for (let j = 0; j <= i; j++) {
        const y = differences[j] as Float64Array;
        let sum = 0;
        for (let k = 0; k < length; k++) sum += (x[k] as number) * (y[k] as number);
        (gram[i] as Float64Array)[j] = ((gram[i] as Float64Array)[j] as number) + sum;
      }
    }
  }
  const t = stockRatio(gram);
  const each = t / others.length;
  const coefficients = row.coefficients.map((value, i) => (i === base ? 1 - t : value === 0 ? 0 : each));
  return { coefficients, divisor: 1 };
}
