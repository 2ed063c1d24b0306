import { DATA_TYPE } from '../onnx/index.ts';
import { broadcast } from './elementwise.ts';
import {
  axisOf,
  dimsOf,
  filled,
  type Inferred,
  listOf,
  MAX_FOLDED,
  type OperatorCall,
  product,
  type Rule,
  reorder,
  ShapeMismatch,
  ShapeUnknown,
  shown,
  valuesOf,
} from './known.ts';

/** Contents pass through what only renames places; anything of rank over 1 keeps them in the same order too. */
const kept = (call: OperatorCall): readonly number[] | undefined => call.inputs[0]?.values;

/** What Reshape's target means for an input. @throws ShapeMismatch */
function reshaped(input: readonly number[], target: readonly number[], allowZero: boolean): number[] {
  const dims = target.map((dim, i) => (dim === 0 && !allowZero ? (input[i] ?? 0) : dim));
  const [total, rest] = [product(input), product(dims.filter((dim) => dim !== -1))];
  const open = dims.indexOf(-1);
  if (open >= 0 && rest > 0 && total % rest === 0) dims[open] = total / rest;
  if (product(dims) !== total || dims.includes(-1)) throw new ShapeMismatch(`${shown(input)} as ${shown(target)}`);
  return dims;
}

const reshape: Rule = (call) => {
  const target = call.ints('shape') ?? valuesOf(call, 1);
  return [{ dims: reshaped(dimsOf(call, 0), target, call.int('allowzero', 0) === 1), values: kept(call) }];
};

const flatten: Rule = (call) => {
  const dims = dimsOf(call, 0);
  const axis = call.int('axis', 1);
  const at = axis < 0 ? axis + dims.length : axis;
  return [{ dims: [product(dims.slice(0, at)), product(dims.slice(at))], values: kept(call) }];
};

const squeeze: Rule = (call) => {
  const dims = dimsOf(call, 0);
  const axes = listOf(call, 'axes', 1)?.map((axis) => axisOf(axis, dims.length));
  const bad = axes?.find((axis) => dims[axis] !== 1);
  if (bad !== undefined) throw new ShapeMismatch(`${shown(dims)}: axis ${bad} is not 1`);
  return [{ dims: dims.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)), values: kept(call) }];
};

const unsqueeze: Rule = (call) => {
  const dims = dimsOf(call, 0);
  const axes = listOf(call, 'axes', 1);
  if (!axes) throw new ShapeUnknown();
  const rank = dims.length + axes.length;
  const places = new Set(axes.map((axis) => axisOf(axis, rank)));
  const rest = dims.values();
  const out = Array.from({ length: rank }, (_, i) => (places.has(i) ? 1 : (rest.next().value as number)));
  return [{ dims: out, values: kept(call) }];
};

const transpose: Rule = (call) => {
  const input = dimsOf(call, 0);
  const order = call.ints('perm') ?? input.map((_, i) => input.length - 1 - i);
  const dims = order.map((from) => input[from] as number);
  const values = reorder(kept(call), input, dims, (place) => {
    const from: number[] = [];
    for (const [i, axis] of order.entries()) from[axis] = place[i] as number;
    return from;
  });
  return [{ dims, values }];
};

const concat: Rule = (call) => {
  const shapes = call.inputs.map((_, i) => dimsOf(call, i));
  const [first = []] = shapes;
  const axis = axisOf(call.int('axis', 0), first.length);
  const other = shapes.find(
    (dims) => dims.length !== first.length || dims.some((dim, i) => i !== axis && dim !== first[i]),
  );
  if (other) throw new ShapeMismatch(`${shown(first)} beside ${shown(other)}`);
  const length = shapes.reduce((sum, dims) => sum + (dims[axis] as number), 0);
  const flat = first.length === 1 && length <= MAX_FOLDED && call.inputs.every((input) => input?.values);
  return [
    {
      dims: first.map((dim, i) => (i === axis ? length : dim)),
      values: flat ? call.inputs.flatMap((input) => input?.values ?? []) : undefined,
    },
  ];
};

const split: Rule = (call) => {
  const dims = dimsOf(call, 0);
  const axis = axisOf(call.int('axis', 0), dims.length);
  const length = dims[axis] as number;
  const each = Math.ceil(length / call.outputCount);
  const even = Array.from({ length: call.outputCount }, (_, i) => Math.min(each, length - i * each));
  const sizes = listOf(call, 'split', 1) ?? even;
  if (product([sizes.reduce((sum, size) => sum + size, 0)]) !== length) {
    throw new ShapeMismatch(`${shown(dims)} in parts ${shown(sizes)}`);
  }
  let at = 0;
  return sizes.map((size): Inferred => {
    const values = dims.length === 1 ? kept(call)?.slice(at, at + size) : undefined;
    at += size;
    return { dims: dims.map((dim, i) => (i === axis ? size : dim)), values };
  });
};

const expand: Rule = (call) => {
  const dims = broadcast(dimsOf(call, 0), valuesOf(call, 1));
  const [value] = kept(call) ?? [];
  const isUniform = product(dimsOf(call, 0)) === 1;
  return [{ dims, values: isUniform ? filled(dims, value) : undefined }];
};

const pad: Rule = (call) => {
  const dims = dimsOf(call, 0);
  const pads = listOf(call, 'pads', 1);
  if (!pads) throw new ShapeUnknown();
  const axes = call.inputs[3] ? valuesOf(call, 3).map((axis) => axisOf(axis, dims.length)) : dims.map((_, i) => i);
  const grown = [...dims];
  for (const [k, axis] of axes.entries()) {
    grown[axis] = (grown[axis] as number) + (pads[k] as number) + (pads[k + axes.length] as number);
  }
  return [{ dims: grown }];
};

const resize: Rule = (call) => {
  const dims = dimsOf(call, 0);
  if (call.text('keep_aspect_ratio_policy', 'stretch') !== 'stretch') throw new ShapeUnknown();
  const axes = call.ints('axes')?.map((axis) => axisOf(axis, dims.length)) ?? dims.map((_, i) => i);
  const old = call.opType === 'Upsample' || call.opset < 11;
  const sizes = old ? undefined : call.inputs[3];
  const scales = old ? (call.floats('scales') ?? valuesOf(call, 1)) : sizes ? undefined : valuesOf(call, 2);
  const list = scales ?? valuesOf(call, 3);
  const out = [...dims];
  for (const [k, axis] of axes.entries()) {
    out[axis] = scales ? Math.floor((dims[axis] as number) * (list[k] as number)) : (list[k] as number);
  }
  return [{ dims: out }];
};

const block = (call: OperatorCall): number => call.int('blocksize', 1);

export const RESHAPING: Readonly<Record<string, Rule>> = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Expand: expand,
  Pad: pad,
  Resize: resize,
  Upsample: resize,
  Tile: (call) => {
    const repeats = valuesOf(call, 1);
    return [{ dims: dimsOf(call, 0).map((dim, i) => dim * (repeats[i] as number)) }];
  },
  DepthToSpace: (call) => {
    const [n = 0, c = 0, h = 0, w = 0] = dimsOf(call, 0);
    return [{ dims: [n, c / block(call) ** 2, h * block(call), w * block(call)] }];
  },
  SpaceToDepth: (call) => {
    const [n = 0, c = 0, h = 0, w = 0] = dimsOf(call, 0);
    return [{ dims: [n, c * block(call) ** 2, h / block(call), w / block(call)] }];
  },
  Shape: (call) => {
    const dims = dimsOf(call, 0);
    const values = dims.slice(call.int('start', 0), call.int('end', dims.length));
    return [{ dims: [values.length], values, type: DATA_TYPE.int64, fromImage: false }];
  },
  Size: (call) => [{ dims: [], values: [product(dimsOf(call, 0))], type: DATA_TYPE.int64, fromImage: false }],
};
