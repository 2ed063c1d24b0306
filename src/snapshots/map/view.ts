import { elementCount } from '../../onnx/index.ts';
import type { Values } from './values.ts';

/**
 * Elements of a tensor in another order: element (i₀, i₁, …) of a view is element offset + Σ strides[a]·iₐ of the tensor, both
 * row-major. Transposition, permutation and slices are views; a reshape is one of one axis.
 */
export interface View {
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Strides of a row-major tensor. */
function rowMajor(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] as number) * (dims[axis + 1] as number);
  return strides;
}

/** Calls back with runs of the innermost axis: where they begin in the view and in the tensor. */
function eachRun({ dims, strides, offset }: View, visit: (at: number, from: number) => void): void {
  const outer = dims.slice(0, -1);
  const length = dims.at(-1) ?? 1;
  const index = new Array<number>(outer.length).fill(0);
  let from = offset;
  const runs = elementCount(outer);
  for (let run = 0; run < runs; run++) {
    visit(run * length, from);
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      from += strides[axis] as number;
      if ((index[axis] as number) < (outer[axis] as number)) break;
      from -= (strides[axis] as number) * (outer[axis] as number);
      index[axis] = 0;
    }
  }
}

/** The values of a view, in its order. */
export function readView(values: Values, view: View): Values {
  const out =
    values instanceof Float64Array
      ? new Float64Array(elementCount(view.dims))
      : new Float32Array(elementCount(view.dims));
  const length = view.dims.at(-1) ?? 1;
  const step = view.strides.at(-1) ?? 1;
  eachRun(view, (at, from) => {
    for (let i = 0; i < length; i++) out[at + i] = values[from + i * step] as number;
  });
  return out;
}

/** Puts values that stand in a view's order back to where they lie in the tensor. @param into as long as the tensor */
export function writeView(values: Values, view: View, into: Values): void {
  const length = view.dims.at(-1) ?? 1;
  const step = view.strides.at(-1) ?? 1;
  eachRun(view, (at, from) => {
    for (let i = 0; i < length; i++) into[from + i * step] = values[at + i] as number;
  });
}

/** Where the first elements of a tensor stand in a reordering of it. */
export function placesOf({ dims, strides }: View, count: number): number[] {
  const own = rowMajor(dims);
  return Array.from({ length: count }, (_, i) =>
    dims.reduce(
      (place, dim, axis) => place + (Math.floor(i / (strides[axis] as number)) % dim) * (own[axis] as number),
      0,
    ),
  );
}

/** Marks which elements of a tensor a view reads. */
export function markView(view: View, marks: Uint8Array): void {
  const length = view.dims.at(-1) ?? 1;
  const step = view.strides.at(-1) ?? 1;
  eachRun(view, (_, from) => {
    for (let i = 0; i < length; i++) marks[from + i * step] = 1;
  });
}

const squeezed = (dims: readonly number[]): number[] => dims.filter((dim) => dim !== 1);
const equal = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** 5! orders; tensors of more axes are only transposed as matrices. */
const MAX_PERMUTED_AXES = 5;

function permutations(count: number): number[][] {
  if (count === 0) return [[]];
  return permutations(count - 1).flatMap((rest) =>
    Array.from({ length: count }, (_, at) => [...rest.slice(0, at), count - 1, ...rest.slice(at)]),
  );
}

/** Whether a view reads a tensor from front to back. */
const isPlain = ({ dims, strides, offset }: View): boolean => offset === 0 && equal(strides, rowMajor(dims));

function distinct(views: readonly View[]): View[] {
  return [...new Map(views.map((view) => [JSON.stringify(view), view])).values()];
}

/**
 * The orders in which all elements of a tensor may stand in another one of as many elements, other than its own: permuted axes that
 * give the target's dims, and transposed matrices of the tensor.
 */
export function reorderings(source: readonly number[], target: readonly number[]): View[] {
  const dims = squeezed(source);
  const strides = rowMajor(dims);
  const permuted =
    dims.length > MAX_PERMUTED_AXES
      ? []
      : permutations(dims.length).flatMap((order): View[] => {
          const view = {
            dims: order.map((axis) => dims[axis] as number),
            strides: order.map((axis) => strides[axis] as number),
            offset: 0,
          };
          return equal(view.dims, squeezed(target)) ? [view] : [];
        });
  const matrices = dims.slice(1).map((_, i): View => {
    const columns = elementCount(dims.slice(i + 1));
    return { dims: [columns, elementCount(dims.slice(0, i + 1))], strides: [1, columns], offset: 0 };
  });
  return distinct([...permuted, ...matrices]).filter((view) => !isPlain(view));
}

/** Offsets of a slice that are tried, whole multiples of its length first. */
const MAX_SLICE_OFFSETS = 4096;

/** Slices of a tensor along one axis, with the axes in any order, that have the target's dims. */
export function* slices(source: readonly number[], target: readonly number[]): Generator<View> {
  const dims = squeezed(source);
  const strides = rowMajor(dims);
  if (dims.length > MAX_PERMUTED_AXES) return;
  const wanted = squeezed(target);
  // A slice of one element lost its axis.
  const shapes =
    wanted.length === dims.length
      ? [wanted]
      : wanted.length === dims.length - 1
        ? dims.map((_, at) => wanted.toSpliced(at, 0, 1))
        : [];
  for (const shape of shapes) {
    for (const order of permutations(dims.length)) {
      const shorter = order.filter((axis, at) => dims[axis] !== shape[at]);
      const [axis] = shorter;
      const length = axis === undefined ? 0 : (shape[order.indexOf(axis)] as number);
      if (axis === undefined || shorter.length > 1 || length > (dims[axis] as number)) continue;
      const view = { dims: shape, strides: order.map((own) => strides[own] as number) };
      const last = (dims[axis] as number) - length;
      const starts = Array.from({ length: Math.floor(last / length) + 1 }, (_, i) => i * length);
      const others = Array.from({ length: Math.min(last + 1, MAX_SLICE_OFFSETS) }, (_, i) => i).filter(
        (start) => start % length !== 0,
      );
      for (const start of [...starts, ...others]) yield { ...view, offset: start * (strides[axis] as number) };
    }
  }
}

/** What a view is, in words of a tensor's user. */
export function viewText(name: string, source: readonly number[], view: View): string {
  const taken = elementCount(view.dims);
  const all = elementCount(source);
  const ascending = view.strides.every((stride, axis) => view.dims[axis] === 1 || stride === rowMajor(view.dims)[axis]);
  const shape = ascending ? '' : view.dims.length === 2 ? '.T' : `.permute(${view.dims.join('×')})`;
  return taken === all ? `${name}${shape}` : `${name}[${view.offset}: ${taken} of ${all}]${shape}`;
}
