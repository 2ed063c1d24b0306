import { wasm } from '../../core/index.ts';
import type { Size } from './pixels.ts';
import { type Axis, PRECISION_BITS } from './resample-kernels.ts';
import type { Axes, Rows } from './resample-passes.ts';

const { get, i32, repeat, set, v128 } = wasm;
type Code = wasm.Code;
type WasmFunction = wasm.WasmFunction;

/**
 * The two passes for RGB in 128-bit vectors (WebAssembly SIMD), to the same bits as resample-passes.ts. A weight of 22 bits
 * and a sign is two 16-bit numbers, k = high · 2^12 + low, so that one instruction (i32x4.dot_i16x8_s) multiplies and adds
 * two taps of four samples; both sums are exact modulo 2^32, and so is their combination.
 */
const LOW_BITS = 12;
const HALF = 1 << (PRECISION_BITS - 1);
/** Weights come in pairs of taps: a word with two high parts, a word with two low parts. */
const PAIR_BYTES = 8;
const WORD_BYTES = 4;
const VECTOR_BYTES = 16;
const CHANNELS = 3;
/** Taps of a step of the horizontal pass: twelve bytes of RGB, of the sixteen that are read. */
const GROUP = 4;

/** Taps t and t + 1 of three channels, as 16-bit pairs; the fourth lane is 0. */
const Z = 0xff;
const pairLanes = (t: number): number[] =>
  [0, 1, 2].flatMap((c) => [t * CHANNELS + c, Z, (t + 1) * CHANNELS + c, Z]).concat([Z, Z, Z, Z]);

/** The sum of products with a pair's words, which lie at `offset` from `at`. */
const addDot = (sum: number, samples: Code, at: Code, offset: number): Code =>
  set(sum, v128.addI32(get(sum), v128.dotI16(samples, v128.load32Splat(at, offset))));

const rounded = (high: number, low: number): Code =>
  v128.shiftRightI32(
    v128.addI32(v128.shiftLeftI32(get(high), i32.const(LOW_BITS)), get(low)),
    i32.const(PRECISION_BITS),
  );

const advance = (local: number, by: Code): Code => set(local, i32.add(get(local), by));
const ZERO = v128.splatI32(i32.const(0));
const START = v128.splatI32(i32.const(HALF));

/** Row by row, column by column. The table has a column's byte offset in its row, then its pairs of weights. */
function horizontal(): WasmFunction {
  const [source, stride, rows, width, groups, table, out] = [0, 1, 2, 3, 4, 5, 6] as const;
  const [entry, column, at, group] = [7, 8, 9, 10] as const;
  const [high, low, bytes, pair] = [11, 12, 13, 14] as const;
  const step = (t: number): Code => [
    set(pair, v128.swizzle(get(bytes), v128.const(pairLanes(t)))),
    addDot(high, get(pair), get(entry), (t / 2) * PAIR_BYTES),
    addDot(low, get(pair), get(entry), (t / 2) * PAIR_BYTES + WORD_BYTES),
  ];
  const sums = repeat(
    [
      set(bytes, v128.load(get(at))),
      step(0),
      step(2),
      advance(at, i32.const(GROUP * CHANNELS)),
      advance(entry, i32.const((GROUP / 2) * PAIR_BYTES)),
      set(group, i32.sub(get(group), i32.const(1))),
    ],
    get(group),
  );
  const columns = repeat(
    [
      set(at, i32.add(get(source), i32.load(get(entry)))),
      advance(entry, i32.const(WORD_BYTES)),
      set(group, get(groups)),
      set(high, ZERO),
      set(low, START),
      sums,
      // Four bytes: the fourth is the next pixel's, which is stored after it.
      set(pair, v128.narrowI32ToI16(rounded(high, low), ZERO)),
      v128.store32Lane0(get(out), v128.narrowI16ToU8(get(pair), get(pair))),
      advance(out, i32.const(CHANNELS)),
      set(column, i32.sub(get(column), i32.const(1))),
    ],
    get(column),
  );
  const body = repeat(
    [
      set(entry, get(table)),
      set(column, get(width)),
      columns,
      advance(source, get(stride)),
      set(rows, i32.sub(get(rows), i32.const(1))),
    ],
    get(rows),
  );
  return { name: 'horizontal', params: 7, integers: 4, vectors: 4, body };
}

/** Sixteen samples of an output row at a time. The table has the byte offset of its first row, then its pairs of weights. */
function vertical(): WasmFunction {
  const [source, stride, rowBytes, pairs, table, height, out] = [0, 1, 2, 3, 4, 5, 6] as const;
  const [column, at, entry, pair, first] = [7, 8, 9, 10, 11] as const;
  const [a, b, samples] = [12, 13, 14] as const;
  const quarters = [0, 1, 2, 3].map((q) => ({ high: 15 + 2 * q, low: 16 + 2 * q }));
  /** The samples of two rows side by side: a0 b0 a1 b1 … */
  const interleave = (from: number): Code =>
    v128.shuffle(get(a), get(b), Array.from({ length: 8 }, (_, i) => [from + i, from + i + VECTOR_BYTES]).flat());
  const sums = repeat(
    [
      set(a, v128.load(get(at))),
      set(b, v128.load(i32.add(get(at), get(stride)))),
      quarters.map(({ high, low }, q) => [
        set(samples, (q % 2 === 0 ? v128.extendLowU8 : v128.extendHighU8)(interleave(q < 2 ? 0 : 8))),
        addDot(high, get(samples), get(entry), 0),
        addDot(low, get(samples), get(entry), WORD_BYTES),
      ]),
      advance(at, i32.add(get(stride), get(stride))),
      advance(entry, i32.const(PAIR_BYTES)),
      set(pair, i32.sub(get(pair), i32.const(1))),
    ],
    get(pair),
  );
  const [q0, q1, q2, q3] = quarters.map(({ high, low }) => rounded(high, low)) as [Code, Code, Code, Code];
  const columns = repeat(
    [
      set(at, i32.add(get(first), get(column))),
      set(entry, i32.add(get(table), i32.const(WORD_BYTES))),
      set(pair, get(pairs)),
      quarters.map(({ high, low }) => [set(high, ZERO), set(low, START)]),
      sums,
      // Past the end of a row it writes into the next, which is written after it.
      v128.store(
        i32.add(get(out), get(column)),
        v128.narrowI16ToU8(v128.narrowI32ToI16(q0, q1), v128.narrowI32ToI16(q2, q3)),
      ),
      advance(column, i32.const(VECTOR_BYTES)),
    ],
    i32.lessThan(get(column), get(rowBytes)),
  );
  const body = repeat(
    [
      set(first, i32.add(get(source), i32.load(get(table)))),
      set(column, i32.const(0)),
      columns,
      advance(out, get(rowBytes)),
      // Behind the last column's weights: the next row's entry.
      set(table, get(entry)),
      set(height, i32.sub(get(height), i32.const(1))),
    ],
    get(height),
  );
  return { name: 'vertical', params: 7, integers: 5, vectors: 11, body };
}

interface Passes {
  horizontal(
    source: number,
    stride: number,
    rows: number,
    width: number,
    groups: number,
    table: number,
    out: number,
  ): void;
  vertical(
    source: number,
    stride: number,
    rowBytes: number,
    pairs: number,
    table: number,
    height: number,
    out: number,
  ): void;
}
type Exports = Passes & { readonly memory: wasm.Memory };

const newInstance = wasm.instances<Passes>(() => [horizontal(), vertical()]);
let instance: Exports | undefined;

/** The vector passes, put together on first use; where they cannot be had the plain passes do the same, to the same bits. */
function kernels(): Exports | undefined {
  instance ??= newInstance();
  return instance;
}

/** Whether {@link resampleRgb} can run here. */
export const hasVectors = (): boolean => kernels() !== undefined;

/** The memory, at least as large; it stays, since a data set asks for the same sizes again and again. */
function memoryOf({ memory }: Exports, bytes: number): Uint8Array {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / wasm.PAGE_BYTES));
  return new Uint8Array(memory.buffer);
}

/** Entries of a table for `steps` pairs of taps each. */
function tableOf({ first, used, weights, taps }: Axis, pairs: number, offset: (first: number) => number): Int32Array {
  const words = 1 + 2 * pairs;
  const table = new Int32Array(first.length * words);
  for (let i = 0; i < first.length; i++) {
    table[i * words] = offset(first[i] as number);
    for (let t = 0; t < (used[i] as number); t++) {
      const k = weights[i * taps + t] as number;
      const at = i * words + 1 + 2 * (t >> 1);
      const shift = 16 * (t & 1);
      table[at] = (table[at] as number) | (((k >> LOW_BITS) & 0xffff) << shift);
      table[at + 1] = (table[at + 1] as number) | ((k & ((1 << LOW_BITS) - 1)) << shift);
    }
  }
  return table;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
const most = (counts: Int32Array): number => counts.reduce((a, b) => Math.max(a, b));
const aligned = (bytes: number): number => Math.ceil(bytes / VECTOR_BYTES) * VECTOR_BYTES;

/** Source rows that are in memory at a time: they stay in the processor's cache. */
const STRIP_BYTES = 1 << 18;

/**
 * Filters RGB horizontally, vertically, or both, rounding to 8 bits after each.
 *
 * Memory: a strip of source rows, the rows between the passes and the result, in WebAssembly's memory, and the result.
 * @param from begins with the sample that indices of the axes count from; without an axis, with the first of the result
 * @param size of the result
 */
export function resampleRgb(from: Rows, { x, y }: Axes, size: Size): Uint8ClampedArray {
  const passes = kernels();
  if (!passes) throw new Error('asked before: hasVectors');
  const rowBytes = size.width * CHANNELS;
  const firstRow = y ? (y.first[0] as number) : 0;
  const rows = y ? (y.first.at(-1) as number) + (y.used.at(-1) as number) - firstRow : size.height;
  const groups = x ? Math.ceil(most(x.used) / GROUP) : 0;
  const pairs = y ? Math.ceil(most(y.used) / 2) : 0;
  const xTable = x ? bytesOf(tableOf(x, (groups * GROUP) / 2, (first) => first * CHANNELS)) : undefined;
  const yTable = y ? bytesOf(tableOf(y, pairs, (first) => (first - firstRow) * rowBytes)) : undefined;
  const stripRows = x ? Math.max(1, Math.floor(STRIP_BYTES / from.stride)) : 0;
  // Reads run past the last tap, where weights are 0: as far as the taps of the output that has most.
  const xTableAt = 0;
  const yTableAt = aligned(xTable?.length ?? 0);
  const stripAt = yTableAt + aligned(yTable?.length ?? 0);
  const betweenAt = stripAt + aligned(stripRows * from.stride + groups * GROUP * CHANNELS + VECTOR_BYTES);
  const rowsRead = y ? (y.first.at(-1) as number) - firstRow + 2 * pairs : 0;
  const outAt = betweenAt + aligned(Math.max(rows, rowsRead) * rowBytes + VECTOR_BYTES);
  const memory = memoryOf(passes, outAt + (y ? size.height * rowBytes + VECTOR_BYTES : 0));
  if (xTable) memory.set(xTable, xTableAt);
  if (yTable) memory.set(yTable, yTableAt);
  const sourceAt = (row: number): number => from.offset + (firstRow + row) * from.stride;
  if (x) {
    for (let row = 0; row < rows; row += stripRows) {
      const count = Math.min(stripRows, rows - row);
      memory.set(from.data.subarray(sourceAt(row), sourceAt(row + count)), stripAt);
      passes.horizontal(stripAt, from.stride, count, size.width, groups, xTableAt, betweenAt + row * rowBytes);
    }
  } else {
    for (let row = 0; row < rows; row++) {
      memory.set(from.data.subarray(sourceAt(row), sourceAt(row) + rowBytes), betweenAt + row * rowBytes);
    }
  }
  if (y) passes.vertical(betweenAt, rowBytes, rowBytes, pairs, yTableAt, size.height, outAt);
  const at = y ? outAt : betweenAt;
  return new Uint8ClampedArray(memory.slice(at, at + size.height * rowBytes).buffer);
}
