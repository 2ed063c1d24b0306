import { TemperError } from '../../core/index.ts';
import {
  attributeOf,
  DATA_TYPE,
  indexGraph,
  type Model,
  type NodeRecord,
  type NodeScope,
  type TensorRecord,
} from '../../onnx/index.ts';
import { type CodeType, codeTypeOf } from './codes.ts';

/**
 * Numbers that a graph holds as value = (code - zero point) · scale (ONNX DequantizeLinear): stored codes, or the range of
 * an activation, whose codes are made while it runs.
 */
export interface Quantized {
  readonly name: string;
  readonly type: CodeType;
  /** Absent for the range of an activation. */
  readonly codes: TensorRecord | undefined;
  readonly scale: TensorRecord;
  /** Absent: 0. */
  readonly zeroPoint: TensorRecord | undefined;
  /** The axis that scales belong to, where there are several. */
  readonly axis: number;
  /** The node that gives back the values of stored codes, and where it stands. */
  readonly node: NodeRecord;
  readonly scope: NodeScope;
  /** Of an int32 bias: the input's range and the weight whose scales multiplied are its own. */
  readonly biasOf: { readonly input: Quantized; readonly weight: Quantized } | undefined;
  /** Whether the zero point serves other tensors too, and so stays what it is. */
  readonly zeroPointShared: boolean;
  /** Whether nothing but `node` reads the codes, and nothing else scale and zero point. */
  readonly exclusive: boolean;
}

/** Operators whose third input is a bias with the scale input scale · weight scale. */
const WITH_BIAS: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm']);

type Mutable = { -readonly [K in keyof Quantized]: Quantized[K] };

/**
 * The quantized tensors of the main graph, each with its parts. Operators that compute on codes (QLinearConv, …) have none.
 * @throws TemperError UNSUPPORTED_QUANTIZED for blocks of an axis, or a scale that serves several tensors
 */
export function findQuantized(model: Pick<Model, 'record'>): Quantized[] {
  const { nodes, stored, uses, producer } = indexGraph(model);
  const { graph } = model.record;
  const byNode = new Map<NodeRecord, Mutable>();
  const byScale = new Map<TensorRecord, Mutable>();
  for (const node of nodes) {
    if (node.opType !== 'DequantizeLinear' && node.opType !== 'QuantizeLinear') continue;
    const [x = '', s = '', z = ''] = node.inputs;
    const [scale, zeroPoint] = [stored.get(s), stored.get(z)];
    if (!scale || (z !== '' && !zeroPoint)) continue;
    const codes = node.opType === 'DequantizeLinear' ? stored.get(x) : undefined;
    const known = byScale.get(scale);
    if (known && !codes && !known.codes && known.zeroPoint === zeroPoint) {
      byNode.set(node, known);
      continue;
    }
    const blocks = Number(attributeOf(node, 'block_size')?.i ?? 0) !== 0 || scale.dims.length > 1;
    if (blocks || known) {
      throw new TemperError(
        'UNSUPPORTED_QUANTIZED',
        `${node.opType} ${JSON.stringify(node.outputs[0])}: ${blocks ? 'scales of blocks of an axis' : `scale ${JSON.stringify(s)} serves several tensors`}`,
        { hint: 'Average the float snapshots, then quantize the average.', details: { node: node.outputs[0] } },
      );
    }
    const rank = codes?.dims.length ?? 0;
    const axis = Number(attributeOf(node, 'axis')?.i ?? 1);
    const dataType = codes?.dataType ?? zeroPoint?.dataType ?? DATA_TYPE.uint8;
    const name = codes ? x : s;
    const found: Mutable = {
      name,
      type: codeTypeOf(dataType, name),
      codes,
      scale,
      zeroPoint,
      axis: axis < 0 ? axis + rank : axis,
      node,
      scope: graph,
      biasOf: undefined,
      zeroPointShared: codes !== undefined && z !== '' && uses(z) > 1,
      exclusive: uses(x) === 1 && uses(s) === 1 && (z === '' || uses(z) === 1),
    };
    byNode.set(node, found);
    byScale.set(scale, found);
  }
  const all = [...new Set(byNode.values())];
  shareZeroPoints(all);
  for (const node of nodes) {
    if (!WITH_BIAS.has(node.opType)) continue;
    const [input, weight, bias] = node.inputs.map((name) => byNode.get(producer(name) as NodeRecord));
    if (bias?.codes && bias.type.bits === 32 && input && weight?.codes) bias.biasOf = { input, weight };
  }
  return all;
}

/** The Q and DQ of one activation read one zero point: that is no sharing. */
function shareZeroPoints(all: readonly Mutable[]): void {
  const owners = new Map<TensorRecord, number>();
  for (const { zeroPoint } of all) if (zeroPoint) owners.set(zeroPoint, (owners.get(zeroPoint) ?? 0) + 1);
  for (const one of all) one.zeroPointShared ||= one.zeroPoint !== undefined && (owners.get(one.zeroPoint) ?? 0) > 1;
}
