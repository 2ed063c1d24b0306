import {
  decodeFloats,
  encodeFloats,
  type Model,
  type NewTensor,
  type NodeRecord,
  type Rewrite,
  readPayload,
  rewireInput,
  rewriter,
  type StoredInput,
} from '../onnx/index.ts';
import type { Cut } from './cut/cut.ts';
import type { LastNorm } from './cut/find-norm.ts';
import type { TrainState } from './train/train.ts';

/** What gives a model its tuned weights. */
export interface TunedEdits extends Rewrite {
  /** Names of the tensors that changed, as the file calls them. */
  readonly changed: readonly string[];
}

/** Collects new values of weights. A tensor that others read too is left to them: the reader gets an initializer of its own. */
function editor(model: Model) {
  const rewrite = rewriter(model);
  const changed: string[] = [];
  return {
    rewrite,
    changed,
    replace(weight: StoredInput, values: Float64Array): void {
      const {
        name,
        reader,
        slot,
        tensor: { dataType },
      } = weight;
      const bytes = encodeFloats(values, dataType, name);
      changed.push(rewrite.replace(reader, slot, weight, { name: `${name}.tuned`, dataType, bytes }) ?? name);
    },
    /** Gives a convolution without a bias one. */
    addBias(conv: NodeRecord, tensor: NewTensor): void {
      const name = rewrite.append(tensor);
      changed.push(name);
      rewrite.add([rewireInput(conv, 2, name)]);
    },
  };
}

/** Values of a weight in float64. */
const valuesOf = (model: Model, { tensor, name }: StoredInput): Float64Array =>
  decodeFloats(readPayload(model, tensor), tensor.dataType, name);

/** Scale and shift of a normalisation with stored statistics: a = scale / √(variance + ε), b = bias - a · mean. */
function affineOf(state: TrainState, { tail: { norm } }: Cut): { a: Float64Array; b: Float64Array } {
  if (!norm) throw new Error('the cut has no layer');
  const [scale, bias, mean, variance] = [norm.scale, norm.bias, norm.mean, norm.variance].map(
    (name) => state.parameters.get(name) as Float32Array,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const a = Float64Array.from(scale, (value, c) => value / Math.sqrt((variance[c] as number) + norm.epsilon));
  return { a, b: Float64Array.from(bias, (value, c) => value - (a[c] as number) * (mean[c] as number)) };
}

/** W'[c, …] = a[c] W[c, …], bias' = a bias + b: the convolution with the normalisation behind it. */
function foldInto(
  model: Model,
  norm: Extract<LastNorm, { kind: 'folded' }>,
  { a, b }: { a: Float64Array; b: Float64Array },
  write: ReturnType<typeof editor>,
): void {
  const weights = valuesOf(model, norm.weight);
  const perFilter = weights.length / norm.channels;
  write.replace(
    norm.weight,
    weights.map((value, i) => (a[Math.floor(i / perFilter)] as number) * value),
  );
  const old = norm.bias && valuesOf(model, norm.bias);
  const bias = b.map((value, c) => value + (a[c] as number) * (old?.[c] ?? 0));
  if (norm.bias) write.replace(norm.bias, bias);
  else {
    const { dataType } = norm.weight.tensor;
    const bytes = encodeFloats(bias, dataType, norm.name);
    write.addBias(norm.conv, { name: `${norm.weight.name}.bias`, dataType, dims: [norm.channels], bytes });
  }
}

/**
 * The edits that make a model compute what the trainer's state does. Values are rounded once to the type that each tensor
 * is stored in.
 * @throws TemperError NUMERIC_OVERFLOW, NUMERIC_NONFINITE
 */
export function tunedEdits(model: Model, cut: Cut, state: TrainState): TunedEdits {
  const write = editor(model);
  const values = (name: string): Float64Array => Float64Array.from(state.parameters.get(name) as Float32Array);
  const { mode, norm, tail } = cut;
  if (mode !== 'stats') for (const { name, weight } of tail.classifier) write.replace(weight, values(name));
  if (norm?.kind === 'kept' && tail.norm) {
    write.replace(norm.parameters.mean, values(tail.norm.mean));
    write.replace(norm.parameters.variance, values(tail.norm.variance));
    if (mode === 'affine') {
      write.replace(norm.parameters.scale, values(tail.norm.scale));
      write.replace(norm.parameters.bias, values(tail.norm.bias));
    }
  }
  if (norm?.kind === 'folded') foldInto(model, norm, affineOf(state, cut), write);
  return { ...write.rewrite, changed: write.changed };
}
