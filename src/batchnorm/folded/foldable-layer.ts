import {
  asFloatType,
  attributeOf,
  elementCount,
  findDataType,
  type GraphIndex,
  type NodeRecord,
  type StoredInput,
  type TensorRecord,
} from '../../onnx/index.ts';
import type { KnownFold } from '../mapped/known-fold.ts';

/** Stored values that a layer reads, and how they are written anew. */
export interface Operand {
  /** The node and the input that read them. */
  readonly node: NodeRecord;
  readonly slot: number;
  readonly tensor: TensorRecord;
  /** What the graph calls them. */
  readonly name: string;
  /** The element type that the layer reads: another than the tensor's behind a Cast. */
  readonly dataType: number;
  /** Whether nothing else reads them: only then can they be written to in place. */
  readonly exclusive: boolean;
  /** The channel of value i. */
  readonly channelOf: (i: number) => number;
  /** For integer codes: the node that dequantizes them, with its scale and zero point. */
  readonly codes: Codes | undefined;
}

/** Codes of a weight or bias, q, which stand for (q - zero) · scale. */
export interface Codes {
  readonly dequantize: NodeRecord;
  readonly scale: StoredInput;
  readonly zero: StoredInput | undefined;
}

/** What a BatchNormalization that is written as arithmetic is called. */
export const AFFINE = 'Mul, Add';

/** A layer y = gain · W x + biasGain · b: a factor and a shift of each of its channels can be folded into W and b. */
export interface FoldableLayer {
  /** The module's name where its weight tells it (`conv1` of `conv1.weight`), else the node's or its output's. */
  readonly name: string;
  /** `Conv`, `Gemm`, …; `Mul, Add` for a BatchNormalization that is written so. */
  readonly operator: string;
  /** The first node, which reads the weight. */
  readonly node: NodeRecord;
  /** The last node: that of the bias where it is added by a node of its own. */
  readonly end: NodeRecord;
  readonly channels: number;
  /** Whether channels are the last axis of the output, not the second. */
  readonly channelsLast: boolean;
  readonly weight: Operand;
  /** Absent where the layer has none: it is given one. */
  readonly bias: Operand | undefined;
  readonly biasGain: number;
  /** Where a missing bias goes. */
  readonly biasSlot: number;
  /** The scale of the input's codes, for a missing bias of a quantized layer. */
  readonly inputScale: StoredInput | undefined;
  /** What was folded in, where a map into a template tells: then the fold is undone, and no reference stands for it. */
  readonly fold?: KnownFold | undefined;
}

/** A layer that nothing can be folded into, and why. */
export interface Unfoldable {
  readonly name: string;
  readonly operator: string;
  readonly node: NodeRecord;
  readonly reason: string;
}

/** Nodes by the value that they read. */
export type Consumers = (value: string) => readonly NodeRecord[];

export function consumersOf({ nodes }: GraphIndex): Consumers {
  const byValue = new Map<string, NodeRecord[]>();
  for (const node of nodes) {
    for (const value of new Set(node.inputs)) {
      const list = byValue.get(value);
      if (list) list.push(node);
      else byValue.set(value, [node]);
    }
  }
  return (value) => byValue.get(value) ?? [];
}

/** From this opset on DequantizeLinear has a scale for each channel. */
const AXIS_OPSET = 13;
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Transpose']);
const nodeName = (node: NodeRecord): string => node.name || (node.outputs[0] ?? node.opType);
/** Exporters number nodes, but some keep the names of parameters. */
const layerName = (node: NodeRecord, weight: Operand | undefined): string =>
  /^(.+)\.weight(?:_quantized)?$/s.exec(weight?.tensor.name ?? '')?.[1] ?? nodeName(node);

type ChannelOf = Operand['channelOf'];
const leading = (tensor: TensorRecord): ChannelOf => {
  const each = elementCount(tensor.dims.slice(1));
  return (i) => Math.floor(i / each);
};
const trailing = (tensor: TensorRecord): ChannelOf => {
  const channels = tensor.dims.at(-1) ?? 1;
  return (i) => i % channels;
};
const itself: ChannelOf = (i) => i;

/** Channels of a transposed convolution's weight [C, M/g, …]: input channels of a group share its filters. */
function transposedConv({ dims }: TensorRecord, groups: number): ChannelOf {
  const [inputs = 1, perGroup = 1, ...kernel] = dims;
  const each = elementCount(kernel);
  const inputsOfGroup = inputs / groups;
  return (i) => {
    const input = Math.floor(i / (each * perGroup));
    return Math.floor(input / inputsOfGroup) * perGroup + (Math.floor(i / each) % perGroup);
  };
}

const castTo = (node: NodeRecord): number | undefined =>
  node.opType === 'Cast' ? Number(attributeOf(node, 'to')?.i ?? 0) : undefined;

interface FoundOperand {
  readonly operand: Omit<Operand, 'channelOf'>;
  readonly flipped: boolean;
}

/** The stored values behind an input; text: why they cannot be written. */
function operandOf(index: GraphIndex, node: NodeRecord, slot: number, what: string): FoundOperand | string {
  const name = node.inputs[slot] ?? '';
  const stored = index.storedInput(node, slot, PASSING);
  if (stored) {
    const { tensor, through, exclusive } = stored;
    const dataType = through.map(castTo).find((type) => type !== undefined) ?? tensor.dataType;
    if (asFloatType(dataType) === undefined || asFloatType(tensor.dataType) === undefined)
      return `its ${what} is no float`;
    const flips = through.filter(({ opType }) => opType === 'Transpose');
    if (flips.length > 0 && (tensor.dims.length !== 2 || !exclusive || through.length > flips.length))
      return `its ${what} is transposed in the graph, and others read it`;
    const isPlain = flips.length === through.length;
    const operand = {
      node,
      slot,
      tensor,
      name: stored.name,
      dataType,
      exclusive: exclusive && isPlain,
      codes: undefined,
    };
    return { operand, flipped: flips.length % 2 === 1 };
  }
  const dequantize = index.producer(name);
  if (dequantize?.opType === 'DequantizeLinear' && dequantize.domain === '') {
    const codes = index.storedInput(dequantize, 0);
    const scale = index.storedInput(dequantize, 1);
    const zero = dequantize.inputs[2] ? index.storedInput(dequantize, 2) : undefined;
    if (codes && scale && (zero || !dequantize.inputs[2])) {
      const { tensor } = codes;
      const operand = { node, slot, tensor, name: codes.name, dataType: scale.tensor.dataType, exclusive: false };
      return { operand: { ...operand, codes: { dequantize, scale, zero } }, flipped: false };
    }
  }
  return index.isConstant(name)
    ? `its ${what} is computed from stored values by ${index.producer(name)?.opType}`
    : `its ${what} is computed, not stored`;
}

/** Whether a stored operand of elementwise arithmetic has one value for each channel. */
function isPerChannel({ dims }: TensorRecord, channels: number, rank: number | undefined, last: boolean): boolean {
  if (elementCount(dims) !== channels) return false;
  if (channels === 1) return true;
  const after = dims.length - 1 - dims.indexOf(channels);
  if (last) return after === 0;
  return rank === undefined ? after > 0 : after === rank - 2;
}

interface Following {
  readonly node: NodeRecord;
  readonly operand: Operand;
}

/** The one node behind a value that multiplies it by, or adds to it, a stored number for each channel. */
function following(
  index: GraphIndex,
  consumers: Consumers,
  value: string,
  opType: 'Mul' | 'Add',
  fits: (tensor: TensorRecord) => boolean,
): Following | undefined {
  const [node, ...others] = consumers(value);
  if (!node || others.length > 0 || index.uses(value) !== 1 || node.opType !== opType || node.domain !== '')
    return undefined;
  const slot = node.inputs[0] === value ? 1 : 0;
  const found = operandOf(index, node, slot, 'bias');
  if (typeof found === 'string' || found.flipped || found.operand.codes || !fits(found.operand.tensor))
    return undefined;
  return { node, operand: { ...found.operand, channelOf: itself } };
}

/** What a linear operator's weight and bias mean. */
interface Shape {
  readonly channels: number;
  readonly channelOf: ChannelOf;
  readonly channelsLast: boolean;
  /** Of the output, where it is known. */
  readonly rank: number | undefined;
  readonly biasSlot: number | undefined;
  readonly biasGain: number;
}

const numberOf = (node: NodeRecord, name: string, otherwise: number): number =>
  Number(attributeOf(node, name)?.i ?? otherwise);

type ShapeOf = (node: NodeRecord, tensor: TensorRecord, flipped: boolean) => Shape | string;

function matrix(tensor: TensorRecord, outputFirst: boolean): Pick<Shape, 'channels' | 'channelOf'> {
  return {
    channels: (outputFirst ? tensor.dims[0] : tensor.dims[1]) ?? 0,
    channelOf: outputFirst ? leading(tensor) : trailing(tensor),
  };
}

const SHAPES: Readonly<Record<string, ShapeOf>> = {
  Conv: (_, tensor) => ({
    channels: tensor.dims[0] ?? 0,
    channelOf: leading(tensor),
    channelsLast: false,
    rank: tensor.dims.length,
    biasSlot: 2,
    biasGain: 1,
  }),
  ConvTranspose: (node, tensor) => {
    const groups = numberOf(node, 'group', 1);
    return {
      channels: (tensor.dims[1] ?? 0) * groups,
      channelOf: transposedConv(tensor, groups),
      channelsLast: false,
      rank: tensor.dims.length,
      biasSlot: 2,
      biasGain: 1,
    };
  },
  Gemm: (node, tensor, flipped) => {
    const biasGain = attributeOf(node, 'beta')?.f ?? 1;
    if (biasGain === 0) return 'its bias has no effect (beta is 0)';
    const outputFirst = (numberOf(node, 'transB', 0) === 1) !== flipped;
    return { ...matrix(tensor, outputFirst), channelsLast: false, rank: 2, biasSlot: 2, biasGain };
  },
  MatMul: (_, tensor, flipped) =>
    tensor.dims.length === 2
      ? { ...matrix(tensor, flipped), channelsLast: true, rank: undefined, biasSlot: undefined, biasGain: 1 }
      : 'its weight is no matrix',
};

/** Operators that y = W x + b is written with. */
export const isLinear = ({ opType, domain }: NodeRecord): boolean => domain === '' && Object.hasOwn(SHAPES, opType);

/** What other operators are that convolve or multiply, and why nothing is folded into them. */
const OTHERS: Readonly<Record<string, string>> = {
  FusedConv: 'onnxruntime wrote it when it optimized the file, its activation is a part of it',
  NhwcFusedConv: 'onnxruntime wrote it when it optimized the file, its activation is a part of it',
  FusedGemm: 'onnxruntime wrote it when it optimized the file, its activation is a part of it',
  FusedMatMul: 'onnxruntime wrote it when it optimized the file',
  QLinearConv: 'it computes with integer codes alone: there are no values whose moments could be measured',
  QGemm: 'it computes with integer codes alone: there are no values whose moments could be measured',
  ConvInteger: 'it computes with integer codes alone: there are no values whose moments could be measured',
};

/** Why a node that convolves or multiplies cannot be looked at; undefined for all other nodes. */
export function refusedOperator({ opType, domain }: NodeRecord): string | undefined {
  if (domain === 'com.microsoft.nchwc' && opType === 'Conv')
    return 'onnxruntime wrote it when it optimized the file, for one kind of processor';
  const isOther = Object.hasOwn(OTHERS, opType) && !isLinear({ opType, domain } as NodeRecord);
  return isOther ? OTHERS[opType] : undefined;
}

/** Reads a Conv, ConvTranspose, Gemm or MatMul with a stored weight; undefined where both factors are computed. */
export function linearLayer(
  index: GraphIndex,
  consumers: Consumers,
  node: NodeRecord,
  opset: number,
): FoldableLayer | Unfoldable | undefined {
  const { opType } = node;
  if (index.isConstant(node.inputs[0] ?? '')) return undefined;
  const found = operandOf(index, node, 1, 'weight');
  const no = (reason: string, weight?: Operand): Unfoldable => ({
    name: layerName(node, weight),
    operator: opType,
    node,
    reason,
  });
  if (typeof found === 'string') return index.isConstant(node.inputs[1] ?? '') ? no(found) : undefined;
  const { operand, flipped } = found;
  const shape = SHAPES[opType]?.(node, operand.tensor, flipped);
  const named = { ...operand, channelOf: itself };
  if (shape === undefined || typeof shape === 'string') return no(shape ?? '', named);
  const { channels, channelOf, channelsLast, rank, biasSlot, biasGain } = shape;
  const weight: Operand = { ...operand, channelOf };
  const { codes } = weight;
  if (codes && opType !== 'Conv') return no(`its weight is quantized, which is folded into for Conv alone`, weight);
  const scales = codes ? elementCount(codes.scale.tensor.dims) : 1;
  const axis = codes ? numberOf(codes.dequantize, 'axis', 1) : 0;
  if (scales !== 1 && (axis !== 0 || scales !== channels)) return no('its weight is quantized in blocks', weight);
  if (codes && (findDataType(weight.tensor.dataType)?.bits !== 8 || opset < AXIS_OPSET))
    return no('its codes have no scale for each channel in this opset, or less than 8 bits', weight);
  const fits = (tensor: TensorRecord): boolean => isPerChannel(tensor, channels, rank, channelsLast);
  const base = { name: layerName(node, weight), operator: opType, node, channels, channelsLast, weight, biasGain };
  const inputScale = inputScaleOf(index, node);
  if (biasSlot !== undefined && node.inputs[biasSlot]) {
    const bias = operandOf(index, node, biasSlot, 'bias');
    if (typeof bias === 'string') return no(bias, weight);
    const count = elementCount(bias.operand.tensor.dims);
    if (bias.flipped || (count !== channels && count !== 1)) return no('its bias is no number a channel', weight);
    const channel: ChannelOf = count === channels ? itself : () => 0;
    return { ...base, end: node, bias: { ...bias.operand, channelOf: channel }, biasSlot, inputScale };
  }
  const add = following(index, consumers, node.outputs[0] ?? '', 'Add', fits);
  if (add) return { ...base, end: add.node, bias: add.operand, biasGain: 1, biasSlot: add.operand.slot, inputScale };
  if (biasSlot === undefined) return no('it has no bias that a shift could be folded into', weight);
  return { ...base, end: node, bias: undefined, biasSlot, inputScale };
}

/** The scale of the codes that a node's input was dequantized from. */
function inputScaleOf(index: GraphIndex, node: NodeRecord): StoredInput | undefined {
  const dequantize = index.producer(node.inputs[0] ?? '');
  if (dequantize?.opType !== 'DequantizeLinear' || dequantize.domain !== '') return undefined;
  const scale = index.storedInput(dequantize, 1);
  return scale && elementCount(scale.tensor.dims) === 1 ? scale : undefined;
}

/**
 * A number for each channel that multiplies a value, and another that is added behind: what a BatchNormalization is for
 * inference, written as arithmetic.
 */
export function affineLayer(index: GraphIndex, consumers: Consumers, node: NodeRecord): FoldableLayer | undefined {
  if (node.opType !== 'Mul' || node.domain !== '') return undefined;
  const data = index.dataInputs(node);
  const [value = ''] = data;
  if (data.length !== 1 || node.inputs.length !== 2) return undefined;
  const slot = node.inputs[0] === value ? 1 : 0;
  const found = operandOf(index, node, slot, 'scale');
  if (typeof found === 'string' || found.flipped || found.operand.codes) return undefined;
  const producer = index.producer(value);
  const rank = producer && isLinear(producer) ? rankOf(index, producer) : undefined;
  const channels = elementCount(found.operand.tensor.dims);
  const fits = (tensor: TensorRecord): boolean => channels > 1 && isPerChannel(tensor, channels, rank, false);
  if (!fits(found.operand.tensor)) return undefined;
  const add = following(index, consumers, node.outputs[0] ?? '', 'Add', fits);
  if (!add) return undefined;
  const weight: Operand = { ...found.operand, channelOf: itself };
  return {
    name: nodeName(node),
    operator: AFFINE,
    node,
    end: add.node,
    channels,
    channelsLast: false,
    weight,
    bias: add.operand,
    biasGain: 1,
    biasSlot: add.operand.slot,
    inputScale: undefined,
  };
}

function rankOf(index: GraphIndex, node: NodeRecord): number | undefined {
  if (node.opType === 'MatMul') return undefined;
  return index.storedInput(node, 1, PASSING)?.tensor.dims.length;
}
