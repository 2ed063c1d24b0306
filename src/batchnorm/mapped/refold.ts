import { asFloatType, encodeFloats, type Model, type Rewriter } from '../../onnx/index.ts';
import { type MapEntry, mappedBytes, type Values } from '../../snapshots/index.ts';
import type { FoldableLayer, Operand } from '../folded/foldable-layer.ts';
import type { Statistics } from '../statistics.ts';
import type { KnownFold } from './known-fold.ts';

/** Values of a state dict by key. */
export type StateReader = (key: string) => Values;

/** Parameters of a BatchNormalization, a value a channel. */
export interface NormParameters extends Statistics {
  readonly scale: Float64Array;
  readonly bias: Float64Array;
  readonly epsilon: number;
}

/** What was folded into a layer. */
export function normOf({ bias: { expression } }: KnownFold, state: StateReader): NormParameters {
  const { norm, shift } = expression;
  const variance = Float64Array.from(state(norm.variance));
  const optional = (key: string | undefined, otherwise: number): Float64Array =>
    key === undefined ? new Float64Array(variance.length).fill(otherwise) : Float64Array.from(state(key));
  return {
    scale: optional(norm.scale, 1),
    bias: optional(shift.shift, 0),
    mean: Float64Array.from(state(shift.mean)),
    variance,
    epsilon: norm.epsilon,
  };
}

/** Bytes of a layer's weight and bias, as it reads them. */
export interface LayerBytes {
  readonly weight: Uint8Array;
  readonly bias: Uint8Array;
}

const typeOf = ({ dataType }: Operand) => asFloatType(dataType);

/** A layer without the BatchNormalization: the state dict's own weight (ones where there is none) and bias (else zeros). */
export function rawBytes(model: Model, layer: FoldableLayer, fold: KnownFold, state: StateReader): LayerBytes {
  const { weight, bias, channels, name } = layer;
  const copied = (
    entry: MapEntry,
    of: Extract<MapEntry['expression'], { kind: 'copy' }>['of'],
    type = entry.tensor.type,
  ) => mappedBytes(model, { ...entry, expression: { kind: 'copy', of } }, state, { type });
  const constant = (value: number, dataType: number): Uint8Array =>
    encodeFloats(new Float64Array(channels).fill(value), dataType, name, 'channel');
  const own = fold.bias.expression.shift.bias;
  const { expression } = fold.weight;
  return {
    weight:
      expression.kind === 'folded weight'
        ? copied(fold.weight, expression.of, typeOf(weight))
        : constant(1, weight.dataType),
    bias:
      own === undefined
        ? constant(0, (bias as Operand).dataType)
        : copied(fold.bias, { key: own, dims: [channels] }, typeOf(bias as Operand)),
  };
}

/** A layer with its BatchNormalization folded in again, in the arithmetic that the map proved, with other statistics. */
export function foldedBytes(
  model: Model,
  { weight, bias }: FoldableLayer,
  fold: KnownFold,
  state: StateReader,
  statistics: Statistics,
): LayerBytes {
  const { norm, shift } = fold.bias.expression;
  // As a state dict would store them, if it has no fewer digits than float32.
  const stored = (key: string, values: Float64Array): Values =>
    state(key) instanceof Float64Array ? values : Float32Array.from(values);
  const [mean, variance] = [stored(shift.mean, statistics.mean), stored(norm.variance, statistics.variance)];
  const values: StateReader = (key) => (key === shift.mean ? mean : key === norm.variance ? variance : state(key));
  const computed = (entry: MapEntry, operand: Operand): Uint8Array =>
    mappedBytes(model, entry, values, { type: typeOf(operand) ?? entry.tensor.type });
  return { weight: computed(fold.weight, weight), bias: computed(fold.bias, bias as Operand) };
}

/** Gives a layer other values: in place where nothing else reads them. */
export function storeLayer({ weight, bias }: FoldableLayer, bytes: LayerBytes, rewrite: Rewriter): void {
  for (const [operand, values] of [
    [weight, bytes.weight],
    [bias as Operand, bytes.bias],
  ] as const) {
    const { node, slot, name, dataType } = operand;
    rewrite.replace(node, slot, operand, { name: `${name}.recalibrated`, dataType, bytes: values });
  }
}
