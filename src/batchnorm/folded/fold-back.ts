import { TemperError } from '../../core/index.ts';
import {
  DATA_TYPE,
  decodeFloats,
  elementCount,
  encodeFloats,
  insertNode,
  type Model,
  type NewTensor,
  type Rewriter,
  readPayload,
  rewireInput,
  type StoredInput,
} from '../../onnx/index.ts';
import type { Correction } from './correction.ts';
import type { Codes, FoldableLayer, Operand } from './foldable-layer.ts';

/** Weight and bias of a layer in float64. */
interface LayerValues {
  readonly weight: Float64Array;
  /** One value a channel, with the layer's own gain. */
  readonly bias: Float64Array;
}

/** W' = factor W, bias' = factor · bias + shift, channel by channel; not yet rounded. */
export function corrected(
  { weight: { channelOf }, biasGain }: Pick<FoldableLayer, 'weight' | 'biasGain'>,
  { weight, bias }: LayerValues,
  { factor, shift }: Correction,
): LayerValues {
  return {
    weight: weight.map((value, i) => (factor[channelOf(i)] as number) * value),
    bias: bias.map((value, c) => (factor[c] as number) * value + (shift[c] as number) / biasGain),
  };
}

const floatsOf = (model: Model, { tensor, name }: Pick<Operand, 'tensor' | 'name'>): Float64Array =>
  decodeFloats(readPayload(model, tensor), tensor.dataType, name);

/** A layer's bias in float64, one value a channel: zeros where it has none. */
function biasOf(model: Model, { bias, channels }: FoldableLayer): Float64Array {
  if (!bias) return new Float64Array(channels);
  const { codes, channelOf } = bias;
  const stored = codes ? dequantized(model, bias, codes) : floatsOf(model, bias);
  return Float64Array.from({ length: channels }, (_, c) => stored[stored.length === 1 ? 0 : channelOf(c)] as number);
}

const scalesOf = (model: Model, { tensor, name }: StoredInput): Float64Array =>
  decodeFloats(readPayload(model, tensor), tensor.dataType, name);

/** Values of int32 codes: how quantizers store a bias. */
function dequantized(model: Model, { tensor, name }: Operand, { scale, zero }: Codes): Float64Array {
  if (tensor.dataType !== DATA_TYPE.int32 || (zero && readPayload(model, zero.tensor).some((byte) => byte !== 0))) {
    throw new TemperError('UNSUPPORTED_QUANTIZED', `${model.path}: ${name}: expected a bias of int32 codes around 0`, {
      hint: 'Recalibrate the float model, and quantize it afterwards.',
      details: { path: model.path },
    });
  }
  const scales = scalesOf(model, scale);
  const codes = new Int32Array(readPayload(model, tensor).slice().buffer);
  return Float64Array.from(codes, (code, c) => code * (scales[scales.length === 1 ? 0 : c] as number));
}

const MOST_CODE = 2 ** 31 - 1;

/** Gives an operand new codes or scales: a DequantizeLinear of its own, as others may read the one that was there. */
function dequantize(
  rewrite: Rewriter,
  model: Model,
  { node, slot, name }: Pick<Operand, 'node' | 'slot' | 'name'>,
  inputs: { readonly codes: string; readonly scale: NewTensor; readonly zero: string | undefined },
): void {
  const output = rewrite.freeName(`${name}.recalibrated`);
  const scale = rewrite.append(inputs.scale);
  rewrite.add([
    insertNode(
      model.record.graph,
      {
        opType: 'DequantizeLinear',
        inputs: [inputs.codes, scale, ...(inputs.zero === undefined ? [] : [inputs.zero])],
        outputs: [output],
        name: output,
        attributes: { axis: 0 },
      },
      node,
    ),
    rewireInput(node, slot, output),
  ]);
}

/**
 * A quantized convolution: its codes stay, each channel's scale is multiplied. The bias gets new codes for the scale of input
 * and weight, which runtimes that compute in integers take for granted.
 */
function foldQuantized(model: Model, layer: FoldableLayer, correction: Correction, rewrite: Rewriter): void {
  const { weight, channels, bias, inputScale, name } = layer;
  const { codes } = weight;
  if (!codes) throw new Error('a layer of floats');
  const { tensor, name: scaleName } = codes.scale;
  const old = scalesOf(model, codes.scale);
  const scales = correction.factor.map((factor, c) => factor * (old[old.length === 1 ? 0 : c] as number));
  const tensorOf = (called: string, dataType: number, bytes: Uint8Array): NewTensor => ({
    ...{ name: called, dataType, dims: [channels], bytes },
  });
  const scaleBytes = encodeFloats(scales, tensor.dataType, name, 'channel');
  dequantize(rewrite, model, weight, {
    codes: weight.name,
    scale: tensorOf(`${scaleName}.recalibrated`, tensor.dataType, scaleBytes),
    zero: codes.zero && rewrite.append(perChannelZero(model, codes.zero, channels)),
  });
  const { bias: shifted } = corrected(layer, { weight: new Float64Array(), bias: biasOf(model, layer) }, correction);
  const place = bias ?? { node: layer.node, slot: layer.biasSlot, name: `${weight.name}.bias` };
  const input = inputScale && scalesOf(model, inputScale)[0];
  if (input === undefined || (bias && !bias.codes)) {
    storeBias(layer, shifted, rewrite, tensor.dataType);
    return;
  }
  // The stored scales, rounded as they are: what a runtime multiplies.
  const stored = decodeFloats(scaleBytes, tensor.dataType, name);
  const biasScales = stored.map((scale) => Math.fround(Math.fround(input) * scale));
  const biasCodes = shifted.map((value, c) => Math.round(value / (biasScales[c] as number)));
  const over = biasCodes.findIndex((code) => !(Math.abs(code) <= MOST_CODE));
  if (over >= 0) {
    throw new TemperError(
      'NUMERIC_OVERFLOW',
      `${name}: the bias of channel ${over} is ${shifted[over]}, which int32 codes of its scale cannot hold`,
      {
        hint: 'Leave the layer out with `layers`, or recalibrate the float model and quantize it afterwards.',
        details: { layer: name, channel: over },
      },
    );
  }
  const codeBytes = new Uint8Array(Int32Array.from(biasCodes).buffer);
  const codesName = rewrite.append(tensorOf(`${place.name}.recalibrated_codes`, DATA_TYPE.int32, codeBytes));
  dequantize(rewrite, model, place, {
    codes: codesName,
    scale: tensorOf(
      `${place.name}.recalibrated_scale`,
      tensor.dataType,
      encodeFloats(biasScales, tensor.dataType, name, 'channel'),
    ),
    zero: undefined,
  });
}

/** A zero point for each channel, as each has a scale. */
function perChannelZero(model: Model, { tensor, name }: StoredInput, channels: number): NewTensor {
  const bytes = readPayload(model, tensor);
  const each = elementCount(tensor.dims) === 1;
  const all = each
    ? Uint8Array.from({ length: channels * bytes.length }, (_, i) => bytes[i % bytes.length] as number)
    : bytes;
  return { name: `${name}.recalibrated`, dataType: tensor.dataType, dims: [channels], bytes: all };
}

/** The bias as floats: where it was, or as an input that the layer had not. */
function storeBias(
  { name, node, bias, biasSlot, channels, weight }: FoldableLayer,
  values: Float64Array,
  rewrite: Rewriter,
  dataType: number,
): void {
  const bytes = encodeFloats(values, dataType, name, 'channel');
  const called = `${bias?.name ?? `${weight.name}.bias`}${bias ? '.recalibrated' : ''}`;
  if (bias && elementCount(bias.tensor.dims) === channels) {
    rewrite.replace(bias.node, bias.slot, bias, { name: called, dataType, bytes });
    return;
  }
  const own = rewrite.append({ name: called, dataType, dims: [channels], bytes });
  rewrite.add([rewireInput(bias?.node ?? node, biasSlot, own)]);
}

/**
 * Folds corrections of layers' outputs into their weights and biases: computed in float64, rounded once to the type that they are
 * stored in. Tensors that others read too are left to them.
 * @throws TemperError NUMERIC_OVERFLOW, NUMERIC_NONFINITE, UNSUPPORTED_QUANTIZED
 */
export function foldBack(
  model: Model,
  changes: readonly { readonly layer: FoldableLayer; readonly correction: Correction }[],
  rewrite: Rewriter,
): void {
  for (const { layer, correction } of changes) {
    const { weight, name } = layer;
    if (weight.codes) {
      foldQuantized(model, layer, correction, rewrite);
      continue;
    }
    const { dataType } = weight;
    const made = corrected(layer, { weight: floatsOf(model, weight), bias: biasOf(model, layer) }, correction);
    rewrite.replace(weight.node, weight.slot, weight, {
      name: `${weight.name}.recalibrated`,
      dataType,
      bytes: encodeFloats(made.weight, dataType, name, 'weight'),
    });
    storeBias(layer, made.bias, rewrite, layer.bias?.dataType ?? dataType);
  }
}
