import { wasm } from '../../core/index.ts';

const { get, i32, repeat, set, v128 } = wasm;
type Code = wasm.Code;

/** Float32 values of one step: four vectors of two float64 sums. */
export const VECTOR_GROUP = 8;
const VECTOR_BYTES = 16;
const GROUP_BYTES = VECTOR_GROUP * Float32Array.BYTES_PER_ELEMENT;

/** The table of a row: its divisor, what says whether all values are finite, then the address and the coefficient of each input. */
const FLAG_AT = 16;
const ENTRIES_AT = 32;
const ENTRY_BYTES = 16;
const COEFFICIENT_AT = 8;

const NEGATIVE_ZEROS = v128.const(Array.from({ length: VECTOR_BYTES }, (_, i) => (i % 8 === 7 ? 0x80 : 0)));
const lanes = (from: number): number[] => Array.from({ length: 8 }, (_, i) => from + i);
const advance = (local: number, by: number): Code => set(local, i32.add(get(local), i32.const(by)));

/**
 * (Σ n·x) / divisor of eight elements at a time, as block-kernel.ts does it: sums in float64 that begin with -0, in the order of the
 * inputs, divided once and rounded once. WebAssembly has no fused multiplication: the bits are the same. A value minus itself is 0 where
 * it is finite, and NaN elsewhere.
 */
function quotients(): wasm.WasmFunction {
  const [table, inputs, groups, out] = [0, 1, 2, 3] as const;
  const [entry, input, at, offset] = [4, 5, 6, 7] as const;
  const sums = [8, 9, 10, 11] as const;
  const [x, factor, flag, low, high] = [12, 13, 14, 15, 16] as const;
  const addTo = (sum: number, pair: Code): Code =>
    set(sum, v128.addF64(get(sum), v128.mulF64(get(factor), v128.promoteLowF32(pair))));
  const addFour = (bytes: number, first: number, second: number): Code => [
    set(x, v128.load(get(at), bytes)),
    addTo(first, get(x)),
    addTo(second, v128.shuffle(get(x), get(x), [...lanes(8), ...lanes(8)])),
  ];
  const quotient = (sum: number): Code => v128.demoteF64(v128.divF64(get(sum), get(factor)));
  const rounded = (first: number, second: number): Code =>
    v128.shuffle(quotient(first), quotient(second), [...lanes(0), ...lanes(VECTOR_BYTES)]);
  const addInputs = repeat(
    [
      set(at, i32.add(i32.load(get(entry)), get(offset))),
      set(factor, v128.load64Splat(get(entry), COEFFICIENT_AT)),
      addFour(0, sums[0], sums[1]),
      addFour(VECTOR_BYTES, sums[2], sums[3]),
      advance(entry, ENTRY_BYTES),
      advance(input, -1),
    ],
    get(input),
  );
  const body: Code = [
    repeat(
      [
        sums.map((sum) => set(sum, NEGATIVE_ZEROS)),
        set(entry, i32.add(get(table), i32.const(ENTRIES_AT))),
        set(input, get(inputs)),
        addInputs,
        set(factor, v128.load64Splat(get(table), 0)),
        set(low, rounded(sums[0], sums[1])),
        set(high, rounded(sums[2], sums[3])),
        [low, high].map((four) => set(flag, v128.or(get(flag), v128.subF32(get(four), get(four))))),
        v128.store(get(out), get(low)),
        v128.store(get(out), get(high), VECTOR_BYTES),
        advance(out, GROUP_BYTES),
        advance(offset, GROUP_BYTES),
        advance(groups, -1),
      ],
      get(groups),
    ),
    v128.store(get(table), get(flag), FLAG_AT),
  ];
  return { name: 'quotients', params: 4, integers: 4, vectors: 9, body };
}

interface Kernel {
  quotients(table: number, inputs: number, groups: number, out: number): void;
}

const newInstance = wasm.instances<Kernel>(() => [quotients()]);

/** Averages float32 blocks that lie in WebAssembly's memory. */
export interface VectorSums {
  /**
   * Averages `groups` × 8 elements, from element `start` on.
   * @param xs blocks of the inputs and their coefficients, at least one
   * @returns whether all values are finite; if not, what is written is to be computed again
   */
  average(
    xs: readonly Uint8Array[],
    coefficients: readonly number[],
    divisor: number,
    out: Uint8Array,
    place: { readonly start: number; readonly groups: number },
  ): boolean;
}

const known = new WeakMap<ArrayBufferLike, VectorSums>();

/** What averages these blocks in vectors: undefined unless they were made by one {@link newBlocks} in WebAssembly's memory. */
export function vectorSumsOf(blocks: readonly Uint8Array[]): VectorSums | undefined {
  const [buffer, ...others] = new Set(blocks.map((block) => block.buffer));
  return buffer === undefined || others.length > 0 ? undefined : known.get(buffer);
}

function sumsIn(kernel: Kernel, memory: wasm.Memory, table: number): VectorSums {
  const view = new DataView(memory.buffer, table);
  return {
    average(xs, coefficients, divisor, out, { start, groups }) {
      const offset = start * Float32Array.BYTES_PER_ELEMENT;
      view.setFloat64(0, divisor, true);
      for (let i = 0; i < xs.length; i++) {
        const entry = ENTRIES_AT + i * ENTRY_BYTES;
        view.setInt32(entry, (xs[i] as Uint8Array).byteOffset + offset, true);
        view.setFloat64(entry + COEFFICIENT_AT, coefficients[i] as number, true);
      }
      kernel.quotients(table, xs.length, groups, out.byteOffset + offset);
      return view.getBigUint64(FLAG_AT, true) === 0n && view.getBigUint64(FLAG_AT + 8, true) === 0n;
    },
  };
}

const aligned = (bytes: number): number => Math.ceil(bytes / VECTOR_BYTES) * VECTOR_BYTES;
/** Above it, addresses would not fit 32 bits: hundreds of outputs. */
const MAX_BYTES = 2 ** 30;

/**
 * Blocks of so many bytes each, zeros: in WebAssembly's memory, where the kernel sums them in vectors, or in plain arrays where that
 * cannot be had. Pages that are never written cost nothing in either.
 */
export function newBlocks(sizes: readonly number[]): Uint8Array[] {
  const bytes = sizes.reduce((sum, size) => sum + aligned(size), 0);
  const table = aligned(ENTRIES_AT + sizes.length * ENTRY_BYTES);
  const instance = bytes <= MAX_BYTES ? newInstance() : undefined;
  if (!instance) return sizes.map((size) => new Uint8Array(size));
  const { memory } = instance;
  memory.grow(Math.ceil((bytes + table) / wasm.PAGE_BYTES));
  known.set(memory.buffer, sumsIn(instance, memory, 0));
  let next = table;
  return sizes.map((size) => {
    const block = new Uint8Array(memory.buffer, next, size);
    next += aligned(size);
    return block;
  });
}
