import { DATA_TYPE } from '../onnx/index.ts';
import {
  axisOf,
  dimsOf,
  filled,
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

/** A cut along one axis, its bounds brought into the axis. */
export interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
  readonly length: number;
}

/** What Slice takes of each axis that it names. @throws ShapeUnknown */
export function cutsOf(call: OperatorCall): Cut[] {
  const dims = dimsOf(call, 0);
  const [starts, ends] = [listOf(call, 'starts', 1), listOf(call, 'ends', 2)];
  if (!starts || !ends) throw new ShapeUnknown();
  const axes = listOf(call, 'axes', 3) ?? starts.map((_, i) => i);
  const steps = call.inputs[4] ? valuesOf(call, 4) : starts.map(() => 1);
  return axes.map((named, k) => {
    const axis = axisOf(named, dims.length);
    const size = dims[axis] as number;
    const step = steps[k] as number;
    const inside = (value: number, low: number, high: number): number =>
      Math.min(high, Math.max(low, value < 0 ? value + size : value));
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const start = inside(starts[k] as number, Math.max(0, low), high);
    const end = inside(ends[k] as number, low, high);
    return { axis, start, end, step, length: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

const slice: Rule = (call) => {
  const input = dimsOf(call, 0);
  const dims = [...input];
  const cuts = cutsOf(call);
  for (const { axis, length } of cuts) dims[axis] = length;
  const values = reorder(call.inputs[0]?.values, input, dims, (place) => {
    const from = [...place];
    for (const { axis, start, step } of cuts) from[axis] = start + (place[axis] as number) * step;
    return from;
  });
  return [{ dims, values }];
};

const gather: Rule = (call) => {
  const [dims, indices] = [dimsOf(call, 0), dimsOf(call, 1)];
  const axis = axisOf(call.int('axis', 0), dims.length);
  const size = dims[axis] as number;
  const chosen = call.inputs[1]?.values;
  const bad = chosen?.find((index) => index < -size || index >= size);
  if (bad !== undefined) throw new ShapeMismatch(`index ${bad} of ${size}`);
  const values = call.inputs[0]?.values;
  return [
    {
      dims: [...dims.slice(0, axis), ...indices, ...dims.slice(axis + 1)],
      values:
        values && chosen && dims.length === 1
          ? chosen.map((index) => values[index < 0 ? index + size : index] as number)
          : undefined,
    },
  ];
};

const gatherNd: Rule = (call) => {
  const [dims, indices] = [dimsOf(call, 0), dimsOf(call, 1)];
  const depth = (indices.at(-1) ?? 0) + call.int('batch_dims', 0);
  return [{ dims: [...indices.slice(0, -1), ...dims.slice(depth)] }];
};

const range: Rule = (call) => {
  const [start = 0, limit = 0, delta = 1] = [0, 1, 2].map((i) => valuesOf(call, i)[0]);
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  const values = length <= MAX_FOLDED ? Array.from({ length }, (_, i) => start + i * delta) : undefined;
  return [{ dims: [length], values }];
};

const constantOfShape: Rule = (call) => {
  const dims = [...valuesOf(call, 0)];
  if (dims.some((dim) => dim < 0)) throw new ShapeMismatch(`a constant of shape ${shown(dims)}`);
  const given = call.tensor('value');
  const [value] = given ? (given.values ?? []) : [0];
  return [{ dims, values: filled(dims, value), type: given?.type ?? DATA_TYPE.float32 }];
};

/** Axes of a reduction; all where none are named. */
export function reducedAxes(call: OperatorCall): readonly number[] {
  const dims = dimsOf(call, 0);
  const axes = listOf(call, 'axes', 1);
  if (axes && axes.length > 0) return axes.map((axis) => axisOf(axis, dims.length));
  return call.int('noop_with_empty_axes', 0) === 1 ? [] : dims.map((_, i) => i);
}

function reducedDims(call: OperatorCall, axes: readonly number[]): number[] {
  const keep = call.int('keepdims', 1) === 1;
  return dimsOf(call, 0).flatMap((dim, i) => (axes.includes(i) ? (keep ? [1] : []) : [dim]));
}

const reduce =
  (total?: (values: readonly number[]) => number): Rule =>
  (call) => {
    const values = call.inputs[0]?.values;
    const dims = reducedDims(call, reducedAxes(call));
    return [{ dims, values: values && total && product(dims) === 1 ? [total(values)] : undefined }];
  };

const argument: Rule = (call) => [
  { dims: reducedDims(call, [axisOf(call.int('axis', 0), dimsOf(call, 0).length)]), type: DATA_TYPE.int64 },
];

const REDUCTIONS = ['Mean', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map((name) => [`Reduce${name}`, reduce()]);

export const INDEXING: Readonly<Record<string, Rule>> = {
  Slice: slice,
  Gather: gather,
  GatherND: gatherNd,
  GatherElements: (call) => [{ dims: dimsOf(call, 1) }],
  Range: range,
  ConstantOfShape: constantOfShape,
  NonZero: () => [{ dims: undefined, type: DATA_TYPE.int64 }],
  ...(Object.fromEntries(REDUCTIONS) as Record<string, Rule>),
  ReduceProd: reduce(product),
  ReduceSum: reduce((values) => values.reduce((sum, value) => sum + value, 0)),
  ReduceMax: reduce((values) => Math.max(...values)),
  ReduceMin: reduce((values) => Math.min(...values)),
  ArgMax: argument,
  ArgMin: argument,
};
