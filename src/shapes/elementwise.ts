import { DATA_TYPE } from '../onnx/index.ts';
import {
  dimsOf,
  type Inferred,
  isInteger,
  MAX_FOLDED,
  type OperatorCall,
  type Rule,
  ShapeMismatch,
  shown,
} from './known.ts';

/** numpy's broadcasting. @throws ShapeMismatch */
export function broadcast(...shapes: readonly (readonly number[])[]): number[] {
  const rank = shapes.reduce((most, { length }) => Math.max(most, length), 0);
  return Array.from({ length: rank }, (_, i) => {
    const dims = shapes.map((shape) => shape[i - rank + shape.length] ?? 1).filter((dim) => dim !== 1);
    const [first = 1] = dims;
    if (dims.some((dim) => dim !== first))
      throw new ShapeMismatch(`${shapes.map(shown).join(' and ')} do not broadcast`);
    return first;
  });
}

/** Applies a function to small known values, broadcast. */
function fold(
  inputs: OperatorCall['inputs'],
  dims: readonly number[],
  compute: (...values: number[]) => number,
): number[] | undefined {
  const count = dims.reduce((total, dim) => total * dim, 1);
  if (!(count <= MAX_FOLDED) || inputs.some((input) => !input?.values)) return undefined;
  const strides = inputs.map((input) => {
    const shape = input?.dims ?? [];
    let stride = 1;
    return dims
      .map((_, i) => i)
      .reduceRight<number[]>((all, i) => {
        const size = shape[i - dims.length + shape.length] ?? 1;
        all[i] = size === 1 ? 0 : stride;
        stride *= size;
        return all;
      }, []);
  });
  return Array.from({ length: count }, (_, at) => {
    let rest = at;
    const places = inputs.map(() => 0);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const size = dims[axis] as number;
      const index = rest % size;
      rest = (rest - index) / size;
      for (const [k, stride] of strides.entries()) places[k] = (places[k] as number) + index * (stride[axis] as number);
    }
    return compute(...inputs.map((input, k) => input?.values?.[places[k] as number] as number));
  });
}

type Compute = (a: number, b: number, integer: boolean) => number;

const binary =
  (compute?: Compute, type?: number): Rule =>
  (call) => {
    const dims = broadcast(...call.inputs.map((_, i) => dimsOf(call, i)));
    const integer = isInteger(call.inputs[0]?.type ?? 0);
    const values = compute && fold(call.inputs, dims, (a, b) => compute(a, b, integer));
    return [{ dims, values, ...(type === undefined ? {} : { type }) }];
  };

const same =
  (compute?: (value: number) => number): Rule =>
  (call) => {
    const dims = dimsOf(call, 0);
    const values = compute && fold(call.inputs.slice(0, 1), dims, compute);
    const first: Inferred = { dims, values };
    // Dropout's mask, the statistics of old BatchNormalization: nothing of a network at inference reads them.
    return [first, ...Array.from({ length: call.outputCount - 1 }, () => ({ dims: undefined }))];
  };

const cast: Rule = (call) => {
  const to = call.int('to', call.inputs[1]?.type ?? 0);
  const dims = dimsOf(call, 0);
  return [{ dims, type: to, values: fold(call.inputs.slice(0, 1), dims, (value) => castTo(value, to)) }];
};
const castTo = (value: number, to: number): number => {
  if (to === DATA_TYPE.bool) return Number(value !== 0);
  return isInteger(to) ? Math.trunc(value) : value;
};

/** Parameters per channel or per normalised axis: they must broadcast. */
const normalisation: Rule = (call) => {
  const dims = dimsOf(call, 0);
  const scale = call.inputs[1]?.dims;
  if (scale && call.opType === 'LayerNormalization') {
    const merged = broadcast(dims, scale);
    if (merged.some((dim, i) => dim !== dims[i])) throw new ShapeMismatch(`${shown(dims)} and scale ${shown(scale)}`);
  }
  if (scale && call.opType !== 'LayerNormalization' && scale[0] !== dims[1] && call.opType === 'BatchNormalization') {
    throw new ShapeMismatch(`${shown(dims)} and scale ${shown(scale)}`);
  }
  return same()(call);
};

const pairs = (names: readonly string[], rule: Rule): [string, Rule][] => names.map((name) => [name, rule]);

/** Operators that keep or broadcast shapes. */
export const ELEMENTWISE: Readonly<Record<string, Rule>> = Object.fromEntries([
  ...pairs(
    [
      ...['Relu', 'Sigmoid', 'Tanh', 'Erf', 'HardSwish', 'HardSigmoid', 'LeakyRelu', 'Elu', 'Selu', 'Celu', 'Gelu'],
      ...['Softplus', 'Softsign', 'Mish', 'ThresholdedRelu', 'Shrink', 'Exp', 'Log', 'Reciprocal', 'Round', 'Sign'],
      ...['Sin', 'Cos', 'Softmax', 'LogSoftmax', 'Hardmax', 'Dropout', 'LRN', 'LpNormalization', 'Clip', 'Trilu'],
      ...['MeanVarianceNormalization', 'CumSum', 'DequantizeLinear', 'QuantizeLinear', 'ScatterND', 'ScatterElements'],
    ],
    same(),
  ),
  ...pairs(['BatchNormalization', 'InstanceNormalization', 'LayerNormalization', 'GroupNormalization'], normalisation),
  ['Identity', same((value) => value)],
  ['Neg', same((value) => -value)],
  ['Abs', same(Math.abs)],
  ['Floor', same(Math.floor)],
  ['Ceil', same(Math.ceil)],
  ['Sqrt', same(Math.sqrt)],
  ['Not', same((value) => Number(value === 0))],
  ['Cast', cast],
  ['CastLike', cast],
  ['Add', binary((a, b) => a + b)],
  ['Sub', binary((a, b) => a - b)],
  ['Mul', binary((a, b) => a * b)],
  ['Div', binary((a, b, integer) => (integer ? Math.trunc(a / b) : a / b))],
  ['Pow', binary((a, b) => a ** b)],
  // Python's sign for integers, C's with fmod: shapes are not negative.
  ['Mod', binary((a, b) => a - b * Math.floor(a / b))],
  ['Min', binary((a, b) => Math.min(a, b))],
  ['Max', binary((a, b) => Math.max(a, b))],
  ...pairs(['Sum', 'Mean', 'PRelu', 'BitShift'], binary()),
  ['And', binary((a, b) => Number(a !== 0 && b !== 0), DATA_TYPE.bool)],
  ['Or', binary((a, b) => Number(a !== 0 || b !== 0), DATA_TYPE.bool)],
  ['Xor', binary((a, b) => Number((a !== 0) !== (b !== 0)), DATA_TYPE.bool)],
  ['Equal', binary((a, b) => Number(a === b), DATA_TYPE.bool)],
  ['Less', binary((a, b) => Number(a < b), DATA_TYPE.bool)],
  ['LessOrEqual', binary((a, b) => Number(a <= b), DATA_TYPE.bool)],
  ['Greater', binary((a, b) => Number(a > b), DATA_TYPE.bool)],
  ['GreaterOrEqual', binary((a, b) => Number(a >= b), DATA_TYPE.bool)],
  [
    'Where',
    (call: OperatorCall): readonly Inferred[] => {
      const dims = broadcast(...call.inputs.map((_, i) => dimsOf(call, i)));
      const values = fold(call.inputs, dims, (condition, a, b) => (condition ? a : b) as number);
      return [{ dims, values, type: call.inputs[1]?.type ?? 0 }];
    },
  ],
  [
    'DynamicQuantizeLinear',
    (call: OperatorCall): readonly Inferred[] => [
      { dims: dimsOf(call, 0), type: DATA_TYPE.uint8 },
      { dims: [], type: DATA_TYPE.float32 },
      { dims: [], type: DATA_TYPE.uint8 },
    ],
  ],
] satisfies [string, Rule][]);
