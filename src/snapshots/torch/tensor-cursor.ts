import type { ByteSource } from '../../core/index.ts';
import type { PayloadCursor } from '../../onnx/index.ts';

/** A view of numbers in a file; dims and strides in elements. */
export interface TensorView {
  readonly source: ByteSource;
  /** Byte of its first element. */
  readonly offset: number;
  readonly itemBytes: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly bigEndian: boolean;
}

/** Elements in their order that are put together at a time, and stretches of the file that are read at once. */
const TILE_BYTES = 1 << 20;

const VIEWS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;
type Numbers = InstanceType<(typeof VIEWS)[keyof typeof VIEWS]>;

interface Axis {
  readonly size: number;
  readonly stride: number;
  /** Its step in the tile. */
  readonly out: number;
}

const countOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** Strides of elements that lie one behind the other. */
export function rowMajor(dims: readonly number[]): number[] {
  const strides = dims.map(() => 1);
  for (let axis = dims.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] as number) * (dims[axis + 1] as number);
  }
  return strides;
}

/** Whether elements lie one behind the other in row-major order. */
export function isContiguous(dims: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const size = dims[axis] as number;
    if (size !== 1 && strides[axis] !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Elements from the first to the last that a view touches. */
export function spanOf(dims: readonly number[], strides: readonly number[]): number {
  return dims.reduce((span, size, axis) => span + (size - 1) * (strides[axis] as number), 1);
}

function viewOf(bytes: Uint8Array, itemBytes: number): Numbers {
  const View = VIEWS[itemBytes as keyof typeof VIEWS];
  return new View(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / itemBytes);
}

/** Copies elements over nested axes. */
function scatter(from: Numbers, into: Numbers, axes: readonly Axis[], level: number, at: number, to: number): void {
  const axis = axes[level];
  if (!axis) {
    into[to] = from[at] as never;
    return;
  }
  const { size, stride, out } = axis;
  if (level === axes.length - 1) {
    for (let i = 0; i < size; i++) into[to + i * out] = from[at + i * stride] as never;
    return;
  }
  for (let i = 0; i < size; i++) scatter(from, into, axes, level + 1, at + i * stride, to + i * out);
}

/** Fills a tile: what lies close together is read at once, else axis by axis, the one with the widest steps first. */
function gather(view: TensorView, axes: readonly Axis[], first: number, into: Numbers, to: number): void {
  const span = axes.reduce((sum, { size, stride }) => sum + (size - 1) * stride, 1);
  if (span * view.itemBytes <= TILE_BYTES || axes.length === 0) {
    const bytes = new Uint8Array(span * view.itemBytes);
    view.source.readInto(bytes, view.offset + first * view.itemBytes);
    scatter(viewOf(bytes, view.itemBytes), into, axes, 0, 0, to);
    return;
  }
  const widest = axes.reduce((a, b) => (b.stride > a.stride ? b : a));
  const rest = axes.filter((axis) => axis !== widest);
  for (let i = 0; i < widest.size; i++) {
    gather(view, rest, first + i * widest.stride, into, to + i * widest.out);
  }
}

/** Which axis is cut for tiles, and how many of its steps are in one. */
function tiling(dims: readonly number[], itemBytes: number): { axis: number; inner: number; steps: number } {
  let [axis, inner] = [dims.length - 1, 1];
  while (axis > 0 && inner * (dims[axis] as number) * itemBytes <= TILE_BYTES) inner *= dims[axis--] as number;
  return { axis, inner, steps: Math.max(1, Math.floor(TILE_BYTES / (inner * itemBytes))) };
}

const swapped = (bytes: Uint8Array, itemBytes: number): void => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (itemBytes === 2) buffer.swap16();
  else if (itemBytes === 4) buffer.swap32();
  else if (itemBytes === 8) buffer.swap64();
};

/** The tiles of a view, in row-major order. */
function* tiles(view: TensorView): Generator<Uint8Array> {
  const { dims, strides, itemBytes, bigEndian } = view;
  const { axis, inner, steps } = tiling(dims, itemBytes);
  const size = dims[axis] ?? 1;
  const outer = dims.slice(0, Math.max(axis, 0));
  const index = outer.map(() => 0);
  const innerAxes: Axis[] = [];
  for (let i = dims.length - 1, out = 1; i > axis; out *= dims[i--] as number) {
    innerAxes.unshift({ size: dims[i] as number, stride: strides[i] as number, out });
  }
  for (let left = countOf(outer); left > 0; left--) {
    const base = index.reduce((sum, position, i) => sum + position * (strides[i] as number), 0);
    for (let start = 0; start < size; start += steps) {
      const taken = Math.min(steps, size - start);
      const tile = new Uint8Array(taken * inner * itemBytes);
      const stride = strides[axis] ?? 0;
      const axes = [{ size: taken, stride, out: inner }, ...innerAxes].filter((one) => one.size > 1);
      gather(view, axes, base + start * stride, viewOf(tile, itemBytes), 0);
      if (bigEndian) swapped(tile, itemBytes);
      yield tile;
    }
    for (let i = outer.length - 1; i >= 0 && ++(index[i] as number) === outer[i]; i--) index[i] = 0;
  }
}

/**
 * Reads a view's elements in row-major order, little-endian. Contiguous ones are read where they lie; others through tiles of 1 MiB.
 * @throws TemperError FORMAT_TRUNCATED, INPUT_UNREADABLE when read
 */
export function openView(view: TensorView): PayloadCursor {
  const { source, offset, dims, strides, itemBytes } = view;
  const byteLength = countOf(dims) * itemBytes;
  if (isContiguous(dims, strides) && (!view.bigEndian || itemBytes === 1)) {
    let position = offset;
    return {
      byteLength,
      read(into) {
        source.readInto(into, position);
        position += into.length;
      },
      skip(bytes) {
        position += bytes;
      },
    };
  }
  const parts = tiles(view);
  let rest = new Uint8Array(0);
  return {
    byteLength,
    read(into) {
      for (let done = 0; done < into.length; ) {
        if (rest.length === 0) rest = (parts.next().value as Uint8Array<ArrayBuffer> | undefined) ?? rest;
        if (rest.length === 0) throw new RangeError('read past the end of a tensor');
        const taken = Math.min(rest.length, into.length - done);
        into.set(rest.subarray(0, taken), done);
        rest = rest.subarray(taken);
        done += taken;
      }
    },
  };
}
