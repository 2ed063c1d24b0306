import { TemperError } from '../core/index.ts';
import type { Color, InputType, Layout, Size } from '../data/index.ts';
import { dataTypeName, type Model } from '../onnx/index.ts';
import { type ModelFacts, modelFacts } from './model-facts.ts';
import { pickValue } from './pick-value.ts';
import type { DeclaredInputs, TensorType, ValueInfo } from './value-info.ts';

/** What a file says about its inputs, without loading it into onnxruntime; up to IR 3 initializers are listed too. */
export function declaredInputs(model: Model): DeclaredInputs {
  const { path, record } = model;
  let facts: ModelFacts | undefined;
  const initializers = new Set(record.graph.initializers.map(({ name }) => name));
  return {
    label: path,
    inputs: record.graph.inputs
      .filter(({ name }) => !initializers.has(name))
      .map(({ name, tensorType }) => ({
        name,
        type: dataTypeName(tensorType?.elemType ?? 0) as TensorType,
        // 0 was written for "any".
        dims: (tensorType?.dims ?? []).map((dim) => (dim === 0 ? '' : dim)),
      })),
    facts() {
      facts ??= modelFacts(model, path);
      return facts;
    },
  };
}

/**
 * The input that takes the images.
 * @throws TemperError USAGE if it is not named and not the only one
 */
export function imageInput(model: DeclaredInputs, name?: string): ValueInfo {
  const input = pickValue(model.label, 'input', model.inputs, name);
  if (model.inputs.length === 1) return input;
  const others = model.inputs.filter((other) => other !== input).map((other) => other.name);
  throw new TemperError('UNSUPPORTED_GRAPH', `${model.label}: needs more than images: ${others.join(', ')}`, {
    hint: 'Export the network with the image as its only input.',
    details: { others },
  });
}

/** The image input of a model, read as images: 4 dims, one, three or four of them channels. */
export interface ModelInput {
  readonly name: string;
  readonly layout: Layout;
  /** A number, or the name of an open dim. */
  readonly channels: number | string | undefined;
  /** The size that the model is fixed to. */
  readonly fixed: Size | undefined;
  /** The batch that the model is fixed to. */
  readonly batch: number | undefined;
  readonly type: InputType;
}

/** What the model says about its input: layout, colour, size, type. @throws TemperError USAGE, UNSUPPORTED_GRAPH */
export function modelInput(model: DeclaredInputs, name: string | undefined): ModelInput {
  const input = imageInput(model, name);
  const { dims, type } = input;
  const channelsAt = (at: number): boolean => [1, 3, 4].includes(Number(dims[at]));
  // Where no dim tells, a Transpose may.
  const told = channelsAt(1) || channelsAt(3) ? undefined : model.facts?.().graphInput(input.name)?.layout;
  const layout = told ?? (dims.length === 4 && !channelsAt(1) && channelsAt(3) ? 'NHWC' : 'NCHW');
  const [height, width] = layout === 'NCHW' ? [dims[2], dims[3]] : [dims[1], dims[2]];
  const channels = layout === 'NCHW' ? dims[1] : dims[3];
  const fixed = typeof height === 'number' && typeof width === 'number' ? { height, width } : undefined;
  const batch = typeof dims[0] === 'number' ? dims[0] : undefined;
  if (dims.length !== 4 || (type !== 'float32' && type !== 'float16' && type !== 'uint8')) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${model.label}: input ${input.name} is ${type} [${dims.join(', ')}], expected images: 4 dims of float32, float16 or uint8`,
      { hint: 'Name the image input with `input`, or export the network with one.' },
    );
  }
  return { name: input.name, layout, channels, fixed, batch, type };
}

/** The colour of a network of so many channels, where that leaves no choice. */
export const colorFor = (channels: ModelInput['channels']): Color | undefined =>
  channels === 1 ? 'grey' : channels === 4 ? 'rgba' : undefined;

/** The dims of a batch of images for such an input; three channels where their number is open. */
export function imageDims(
  { layout, channels }: Pick<ModelInput, 'layout' | 'channels'>,
  batch: number,
  { height, width }: Size,
): number[] {
  const count = typeof channels === 'number' ? channels : 3;
  return layout === 'NCHW' ? [batch, count, height, width] : [batch, height, width, count];
}
