/**
 * A WebAssembly module from instructions written as numbers and names: as much of the binary format (WebAssembly Core
 * Specification 2.0, section 5) as a few loops over 128-bit vectors need.
 */

/** Instructions, flattened: opcodes and their operands. */
export type Code = readonly (number | Code)[];

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest !== 0);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const last = (rest >> 7 === 0 && (rest & 0x40) === 0) || (rest >> 7 === -1 && (rest & 0x40) !== 0);
    bytes.push((rest & 0x7f) | (last ? 0 : 0x80));
    if (last) return bytes;
  }
}

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
/** No alignment is promised: 2^0. */
const address = (offset: number): number[] => [0, ...unsigned(offset)];

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  load: (at: Code): Code => [at, 0x28, ...address(0)],
  add: (a: Code, b: Code): Code => [a, b, 0x6a],
  sub: (a: Code, b: Code): Code => [a, b, 0x6b],
  lessThan: (a: Code, b: Code): Code => [a, b, 0x48],
};

const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [a, b, simd(opcode)];
const unary =
  (opcode: number) =>
  (a: Code): Code => [a, simd(opcode)];

export const v128 = {
  load: (at: Code, offset = 0): Code => [at, simd(0x00), address(offset)],
  load64Splat: (at: Code, offset: number): Code => [at, simd(0x0a), address(offset)],
  load32Splat: (at: Code, offset: number): Code => [at, simd(0x09), address(offset)],
  store: (at: Code, value: Code, offset = 0): Code => [at, value, simd(0x0b), address(offset)],
  store32Lane0: (at: Code, value: Code): Code => [at, value, simd(0x5a), address(0), 0],
  const: (bytes: readonly number[]): Code => [simd(0x0c), bytes],
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [a, b, simd(0x0d), lanes],
  /** Lanes over 15 give 0. */
  swizzle: binary(0x0e),
  splatI32: unary(0x11),
  or: binary(0x50),
  /** Two float64 as the first two of four float32, rounded to nearest. */
  demoteF64: unary(0x5e),
  /** The first two of four float32 as float64. */
  promoteLowF32: unary(0x5f),
  narrowI16ToU8: binary(0x66),
  narrowI32ToI16: binary(0x85),
  extendLowU8: unary(0x89),
  extendHighU8: unary(0x8a),
  shiftLeftI32: binary(0xab),
  shiftRightI32: binary(0xac),
  addI32: binary(0xae),
  /** Of eight 16-bit pairs: a0·b0 + a1·b1, … in four 32-bit lanes. */
  dotI16: binary(0xba),
  subF32: binary(0xe5),
  addF64: binary(0xf0),
  mulF64: binary(0xf2),
  divF64: binary(0xf3),
};

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [value, 0x21, ...unsigned(local)];
/** Does the body, and again while the condition holds. */
export const repeat = (body: Code, condition: Code): Code => [0x03, 0x40, body, condition, 0x0d, 0, 0x0b];

export interface WasmFunction {
  readonly name: string;
  /** Parameters, 32-bit integers: the first locals. There is no result. */
  readonly params: number;
  /** Further locals: integers, then vectors. */
  readonly integers: number;
  readonly vectors: number;
  readonly body: Code;
}

const I32 = 0x7f;
const V128 = 0x7b;

const flat = (code: Code): number[] => code.flatMap((part) => (typeof part === 'number' ? [part] : flat(part)));
const sized = (bytes: readonly number[]): number[] => [...unsigned(bytes.length), ...bytes];
const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const section = (id: number, items: readonly (readonly number[])[]): number[] => [id, ...sized(vector(items))];
const name = (text: string): number[] => sized([...new TextEncoder().encode(text)]);

/** The binary of a module that exports the functions, and as `memory` one page of memory that may grow. */
function wasmModule(functions: readonly WasmFunction[]): Uint8Array {
  const types = functions.map(({ params }) => [0x60, ...vector(Array.from({ length: params }, () => [I32])), 0]);
  const exports = functions.map((one, i) => [...name(one.name), 0, ...unsigned(i)]);
  const bodies = functions.map(({ integers, vectors, body }) =>
    sized([
      ...vector([
        [...unsigned(integers), I32],
        [...unsigned(vectors), V128],
      ]),
      ...flat(body),
      0x0b,
    ]),
  );
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(
      3,
      functions.map((_, i) => unsigned(i)),
    ),
    ...section(5, [[0, 1]]),
    ...section(7, [...exports, [...name('memory'), 2, 0]]),
    ...section(10, bodies),
  ]);
}

/** Typed by hand: the language's library has no WebAssembly without the browser's. */
interface WebAssemblyNamespace {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** Memory of a module that {@link wasmModule} made. Views of its buffer are empty after it has grown. */
export interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

export const PAGE_BYTES = 65536;

/**
 * What makes instances of some functions; undefined where WebAssembly cannot be had: no such thing in the process, or it may not
 * reserve the address space that WebAssembly wants for its memory (`ulimit -v`).
 */
export function instances<Functions>(
  functions: () => readonly WasmFunction[],
): () => (Functions & { readonly memory: Memory }) | undefined {
  let module: object | undefined;
  let refused = false;
  return () => {
    const { WebAssembly } = globalThis as { WebAssembly?: WebAssemblyNamespace };
    if (refused || !WebAssembly) return undefined;
    try {
      module ??= new WebAssembly.Module(wasmModule(functions()));
      return new WebAssembly.Instance(module).exports as Functions & { readonly memory: Memory };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      refused = true;
      return undefined;
    }
  };
}
