import { DECODERS, ENCODERS, FLOAT_BYTES, type FloatType, float64View, isFiniteAt } from '../../core/index.ts';
import { compensatedQuotients } from './compensated.ts';
import { trimmedSums } from './order-statistics.ts';
import { VECTOR_GROUP, type VectorSums, vectorSumsOf } from './vector-sums.ts';

/**
 * What is computed at each element: (Σ coefficients[i]·x_i) / divisor; with `trim`, the mean of the values of coefficient 1 without so
 * many of the lowest and of the highest.
 */
export interface SummedRow {
  readonly coefficients: readonly number[];
  readonly divisor: number;
  readonly trim?: number | undefined;
}

/** An element that came out NaN or infinite. It is stored all the same: the caller decides. */
export interface NonFinite {
  /** Index into the rows. */
  readonly row: number;
  /** Index into the block. */
  readonly element: number;
  /** The inputs that are NaN or infinite there; none: finite values overflowed the output type. */
  readonly inputs: readonly number[];
}

/**
 * Averages one block of every snapshot.
 * @param inputs one array a snapshot: `count` elements of the storage type `from`, starting at a multiple of its size in
 *   the underlying buffer
 * @param outputs one array a row: room for `count` elements of the type `to`, likewise
 * @returns the first non-finite element met, if any
 */
export type BlockKernel = (
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
  count: number,
) => NonFinite | undefined;

/**
 * Elements summed at a time: the accumulator (64 KiB) and a chunk of four inputs stay in the second-level cache. 2048
 * to 65536 take the same time (test/bench/README.md).
 */
const CHUNK = 8192;

/** Adding -0 changes no number, and not the sign of a zero: it starts sums and fills groups of four. */
const NOTHING = new Float32Array(CHUNK).fill(-0);

interface Terms {
  readonly inputs: readonly number[];
  readonly coefficients: readonly number[];
  readonly divisor: number;
  readonly trim: number;
}

function termsOf({ coefficients, divisor, trim = 0 }: SummedRow): Terms {
  const inputs = [...coefficients.keys()].filter((i) => coefficients[i] !== 0);
  return { inputs, coefficients: inputs.map((i) => coefficients[i] as number), divisor, trim };
}

/** The one input that the row equals on this block: its only term, or any of several that are the same bytes. */
function soleSource(terms: Terms, inputs: readonly Uint8Array[], byteLength: number): number | undefined {
  const [first, ...others] = terms.inputs;
  if (first === undefined) return undefined;
  if (others.length === 0) return terms.coefficients[0] === terms.divisor ? first : undefined;
  const block = (i: number): Uint8Array => (inputs[i] as Uint8Array).subarray(0, byteLength);
  const reference = block(first);
  return others.every((i) => Buffer.compare(reference, block(i)) === 0) ? first : undefined;
}

/** sums[i] += na·a[i] + nb·b[i] + nc·c[i] + nd·d[i], in that order; a factor of 1 is exact and costs nothing measurable. */
function addFour(
  sums: Float64Array,
  [a, b, c, d]: readonly [Float32Array, Float32Array, Float32Array, Float32Array],
  [na, nb, nc, nd]: readonly [number, number, number, number],
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    sums[i] =
      (sums[i] as number) +
      na * (a[i] as number) +
      nb * (b[i] as number) +
      nc * (c[i] as number) +
      nd * (d[i] as number);
  }
}

function weightedSums(
  sums: Float64Array,
  xs: readonly Float32Array[],
  coefficients: readonly number[],
  count: number,
): void {
  sums.fill(-0, 0, count);
  for (let k = 0; k < xs.length; k += 4) {
    const x = (j: number): Float32Array => xs[k + j] ?? NOTHING;
    const n = (j: number): number => coefficients[k + j] ?? 1;
    addFour(sums, [x(0), x(1), x(2), x(3)], [n(0), n(1), n(2), n(3)], count);
  }
}

/** Fills `sums` with a row's sums over one chunk; returns what they are still to be divided by. */
type RowSum = (terms: Terms) => number;

/** Opens a chunk of the inputs; the rows are then summed one after another. */
type Summation = (inputs: readonly Uint8Array[], start: number, count: number) => RowSum;

function float64Summation(sums: Float64Array): Summation {
  return (inputs, start, count) => (terms) => {
    const xs = terms.inputs.map((i) => float64View(inputs[i] as Uint8Array, start, count));
    if (terms.trim > 0) {
      trimmedSums(sums, xs, terms.trim, count);
      return xs.length - 2 * terms.trim;
    }
    compensatedQuotients(sums, xs, terms.coefficients, terms.divisor, count);
    return 1;
  };
}

function float32Summation(sums: Float64Array, from: Exclude<FloatType, 'float64'>): Summation {
  const decode = DECODERS[from];
  const scratch: Float32Array[] = [];
  return (inputs, start, count) => {
    // Each input is decoded once, however many rows use it.
    const decoded: Float32Array[] = [];
    const input = (i: number): Float32Array => {
      decoded[i] ??= decode(inputs[i] as Uint8Array, start, count, () => {
        scratch[i] ??= new Float32Array(CHUNK);
        return scratch[i];
      });
      return decoded[i];
    };
    return (terms) => {
      const xs = terms.inputs.map(input);
      if (terms.trim > 0) {
        trimmedSums(sums, xs, terms.trim, count);
        return xs.length - 2 * terms.trim;
      }
      weightedSums(sums, xs, terms.coefficients, count);
      return terms.divisor;
    };
  };
}

/** Averages what it can of a chunk in vectors, and says how much: all but a few elements, or nothing where some are not finite. */
function inVectors(
  sums: VectorSums,
  { inputs: used, coefficients, divisor, trim }: Terms,
  inputs: readonly Uint8Array[],
  output: Uint8Array,
  start: number,
  count: number,
): number {
  const groups = Math.floor(count / VECTOR_GROUP);
  if (trim > 0 || used.length === 0 || groups === 0) return 0;
  const xs = used.map((i) => inputs[i] as Uint8Array);
  return sums.average(xs, coefficients, divisor, output, { start, groups }) ? groups * VECTOR_GROUP : 0;
}

function firstNonFinite(
  row: number,
  terms: Terms,
  [from, inputs]: readonly [FloatType, readonly Uint8Array[]],
  [to, output]: readonly [FloatType, Uint8Array],
  start: number,
): NonFinite {
  let element = start;
  while (isFiniteAt(to, output, element)) element++;
  return { row, element, inputs: terms.inputs.filter((i) => !isFiniteAt(from, inputs[i] as Uint8Array, element)) };
}

/**
 * Makes the kernel for one pair of storage types.
 *
 * Numerics: float32, float16 and bfloat16 are summed in float64 in plan order, divided once and rounded once to `to`;
 * with coefficients 1 the sum of N float32 is exact, and order cannot matter, while their magnitudes differ by less than
 * 2^29 / N. float64 is summed in twice its precision (compensated.ts): within 1 ulp. A block on which all terms of a row
 * are the same bytes, or whose row has one term and divides it out, is copied if the types are the same (NaN payloads and
 * -0 included), and converted with one rounding if not.
 * Rows with `trim` are order statistics (order-statistics.ts): float64 sums of what is left, divided and rounded once.
 * Float32 blocks that lie in WebAssembly's memory (vector-sums.ts) are summed in vectors, to the same bits.
 * Memory: 64 KiB a kernel, and 32 KiB an input where 16-bit types are decoded, whatever the size of the block.
 */
export function blockKernel(rows: readonly SummedRow[], from: FloatType, to: FloatType): BlockKernel {
  const planned = rows.map(termsOf);
  const encode = ENCODERS[to];
  const sums = new Float64Array(CHUNK);
  const openChunk = from === 'float64' ? float64Summation(sums) : float32Summation(sums, from);
  return (inputs, outputs, count) => {
    const byteLength = count * FLOAT_BYTES[from];
    const sources = planned.map((terms) => soleSource(terms, inputs, byteLength));
    const effective = planned.map((terms, row): Terms => {
      const source = sources[row];
      return source === undefined ? terms : { inputs: [source], coefficients: [1], divisor: 1, trim: 0 };
    });
    const vectors = from === 'float32' && to === 'float32' ? vectorSumsOf([...inputs, ...outputs]) : undefined;
    let found: NonFinite | undefined;
    for (let start = 0; start < count; start += CHUNK) {
      const length = Math.min(CHUNK, count - start);
      const sumRow = openChunk(inputs, start, length);
      for (const [row, terms] of effective.entries()) {
        const output = outputs[row] as Uint8Array;
        const done = vectors ? inVectors(vectors, terms, inputs, output, start, length) : 0;
        if (done === length) continue;
        // NaN has many forms, and processors choose: where there is one, plain sums decide.
        const [first, rest] = [start + done, length - done];
        const finite = encode(sums, (done > 0 ? openChunk(inputs, first, rest) : sumRow)(terms), output, first, rest);
        if (!finite) found ??= firstNonFinite(row, planned[row] as Terms, [from, inputs], [to, output], start);
      }
    }
    if (from !== to) return found;
    for (const [row, source] of sources.entries()) {
      if (source !== undefined) outputs[row]?.set((inputs[source] as Uint8Array).subarray(0, byteLength));
    }
    return found;
  };
}
