import { decodeFloats, encodeStatistic } from '../batchnorm/index.ts';
import {
  appendInitializer,
  type Edit,
  type Model,
  readPayload,
  replaceInline,
  rewireInput,
  type TensorRecord,
  valueNames,
} from '../onnx/index.ts';
import type { Cut } from './cut/cut.ts';
import type { LastNorm } from './cut/find-norm.ts';
import type { Weight } from './cut/graph-index.ts';
import type { TrainState } from './train/train.ts';

/** The edits that give a model its tuned weights, and the tensors that they move into the model file. */
export interface TunedEdits {
  readonly edits: readonly Edit[];
  readonly inline: ReadonlySet<TensorRecord>;
  /** Names of the tensors that changed, as the file calls them. */
  readonly changed: readonly string[];
}

const FLOAT = 1;

/** Collects new values of weights. A tensor that others read too is left to them: the reader gets an initializer of its own. */
function editor(model: Model) {
  const edits: Edit[] = [];
  const inline = new Set<TensorRecord>();
  const changed: string[] = [];
  const taken = valueNames(model.record);
  const freeName = (wanted: string): string => {
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}.${i}`;
    taken.add(name);
    return name;
  };
  const append = (wanted: string, dataType: number, dims: readonly number[], bytes: Uint8Array): string => {
    const name = freeName(wanted);
    edits.push(...appendInitializer(model, model.record.graph, { name, dataType, dims, bytes }));
    changed.push(name);
    return name;
  };
  return {
    edits,
    inline,
    changed,
    append,
    replace({ tensor, name, reader, slot, exclusive }: Weight, values: Float64Array): void {
      const bytes = encodeStatistic(values, tensor.dataType, name);
      if (exclusive) {
        edits.push(...replaceInline(tensor, bytes));
        inline.add(tensor);
        changed.push(name);
      } else {
        edits.push(rewireInput(reader, slot, append(`${name}.tuned`, tensor.dataType, tensor.dims, bytes)));
      }
    },
    rewire: (edit: Edit) => edits.push(edit),
  };
}

/** Values of a weight in float64. */
const valuesOf = (model: Model, { tensor, name }: Weight): Float64Array =>
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
    const name = write.append(
      `${norm.weight.name}.bias`,
      dataType || FLOAT,
      [norm.channels],
      encodeStatistic(bias, dataType || FLOAT, norm.name),
    );
    write.rewire(rewireInput(norm.conv, 2, name));
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
  const { edits, inline, changed } = write;
  return { edits, inline, changed };
}
