import { TemperError } from '../../core/index.ts';
import {
  asFloatType,
  attributeOf,
  type GraphIndex,
  indexGraph,
  type Model,
  type NodeRecord,
  type StoredInput,
} from '../../onnx/index.ts';
import type { OutputKind } from '../../signature/index.ts';

/** Where a head's logits are in the graph: what reads them is handed calibrated ones. */
export interface LogitsPlace {
  /** The value. */
  readonly value: string;
  /** The Softmax, LogSoftmax or Sigmoid that reads it; undefined where it is the output itself. */
  readonly reader: NodeRecord | undefined;
  /** TensorProto.DataType of the value. */
  readonly dataType: number;
}

/** Stored values that a linear layer's scores are linear in. */
export interface ScoreWeight {
  readonly stored: StoredInput;
  /** The axis of the classes. */
  readonly axis: number;
  /** Whether shifts are added to it. */
  readonly isBias: boolean;
}

/** The last layer, if all that lies behind it lets a scale through. */
export interface ScoreLayer {
  /** Its weight and bias, and constants that are added to its scores on the way. */
  readonly weights: readonly ScoreWeight[];
  /** The layer whose missing bias would take shifts; undefined where one of the weights takes them. */
  readonly unbiased: NodeRecord | undefined;
}

/** What makes the kind from logits. */
const MADE_BY: Readonly<Record<OutputKind, readonly string[]>> = {
  logits: [],
  probabilities: ['Softmax'],
  'log-probabilities': ['LogSoftmax', 'Softmax', 'Log'],
  sigmoid: ['Sigmoid'],
};
/** Operators that hand values on in another type, shape or precision. */
const HANDS_ON: ReadonlySet<string> = new Set([
  ...['Identity', 'Cast', 'CastLike', 'Dropout', 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze'],
  ...['QuantizeLinear', 'DequantizeLinear', 'Clip'],
]);
/** Operators that a positive factor passes through, f(s x) = s f(x), and a shift of a class too: they keep classes apart. */
const LINEAR: ReadonlySet<string> = new Set([
  ...['Identity', 'Dropout', 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze'],
  ...['GlobalAveragePool', 'AveragePool', 'ReduceMean'],
]);
/** Stored in these, a factor costs no more than the rounding of float32. */
const EXACT_ENOUGH: ReadonlySet<string> = new Set(['float32', 'float64']);
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Transpose']);

const refuse = (model: Model, what: string, hint: string): TemperError =>
  new TemperError('UNSUPPORTED_GRAPH', `${model.path}: ${what}`, { hint, details: { path: model.path } });

/** The type of a value, by what it is computed from. */
function typeOf(index: GraphIndex, value: string): number | undefined {
  const seen = new Set<NodeRecord>();
  for (let node = index.producer(value); node && !seen.has(node); node = index.producer(node.inputs[0] ?? '')) {
    seen.add(node);
    if (node.opType === 'Cast') return Number(attributeOf(node, 'to')?.i ?? 0);
    for (const name of node.inputs.slice(1)) {
      const stored = index.stored.get(name);
      if (stored && asFloatType(stored.dataType)) return stored.dataType;
    }
  }
  return undefined;
}

/**
 * Where the logits behind a class output lie.
 * @param kind what the output gives
 * @throws TemperError UNSUPPORTED_GRAPH for a Softmax or Sigmoid that is not there as a node of its own; UNSUPPORTED_QUANTIZED for one that
 *   works on codes
 */
export function findLogits(model: Model, output: string, kind: OutputKind): LogitsPlace {
  const index = indexGraph(model);
  const declared = model.record.graph.outputs.find(({ name }) => name === output)?.tensorType?.elemType ?? 0;
  const operators = MADE_BY[kind];
  const makers = operators.filter((operator) => operator !== 'Log');
  if (operators.length === 0) {
    if (!index.producer(output))
      throw refuse(model, `no node makes output ${output}`, 'Name the class output with `output`.');
    return { value: output, reader: undefined, dataType: declared };
  }
  let value = output;
  const seen = new Set<NodeRecord>();
  for (;;) {
    const node = index.producer(value);
    if (node?.opType.startsWith('QLinear')) {
      throw new TemperError('UNSUPPORTED_QUANTIZED', `${model.path}: ${node.opType} makes ${output} from codes`, {
        hint: 'Calibrate the float model, and quantize it afterwards.',
        details: { path: model.path },
      });
    }
    if (node?.domain === '' && makers.includes(node.opType)) {
      const logits = node.inputs[0] ?? '';
      const dataType = typeOf(index, logits);
      if (dataType !== undefined && asFloatType(dataType)) return { value: logits, reader: node, dataType };
      throw refuse(model, `the type of ${logits} is not known`, 'Export the model with float32 parameters.');
    }
    const passes = node?.domain === '' && (HANDS_ON.has(node.opType) || operators.includes(node.opType));
    if (!node || !passes || seen.has(node)) {
      const found = node ? `${node.opType}${node.name ? ` ${node.name}` : ''}` : 'an input';
      throw refuse(
        model,
        `output ${output} gives ${kind}, but the search for a ${makers.join(' or ')} before it ends at ${found}`,
        'Name the output of the logits with `output`, or say what the values are with `outputs`.',
      );
    }
    seen.add(node);
    value = node.inputs[0] ?? '';
  }
}

/** A stored tensor that can be scaled along the axis that the node reads as `axis`; a matrix may be transposed on the way. */
function weightOf(
  index: GraphIndex,
  node: NodeRecord,
  slot: number,
  axisOf: (rank: number) => number,
  isBias: boolean,
): ScoreWeight | undefined {
  const stored = index.storedInput(node, slot, PASSING);
  const type = stored && asFloatType(stored.tensor.dataType);
  if (!type || !EXACT_ENOUGH.has(type)) return undefined;
  const rank = stored.tensor.dims.length;
  const turns = stored.through.filter(({ opType }) => opType === 'Transpose').length;
  if (turns > 0 && rank !== 2) return undefined;
  const axis = axisOf(rank);
  return { stored, axis: turns % 2 === 0 ? axis : 1 - axis, isBias };
}

const first = (): number => 0;
const last = (rank: number): number => rank - 1;

/** Weight and bias of a layer that makes the scores. */
function layerOf(index: GraphIndex, node: NodeRecord): ScoreLayer | undefined {
  const { opType, inputs } = node;
  if (!['Gemm', 'Conv', 'MatMul'].includes(opType) || index.dataInputs(node).join() !== inputs[0]) return undefined;
  const rows = opType === 'Conv' || attributeOf(node, 'transB')?.i === 1n;
  const weight = weightOf(index, node, 1, rows ? first : last, false);
  if (!weight) return undefined;
  if (opType === 'MatMul') return { weights: [weight], unbiased: undefined };
  if (!inputs[2]) return { weights: [weight], unbiased: node };
  const bias = weightOf(index, node, 2, last, true);
  return bias && { weights: [weight, bias], unbiased: undefined };
}

/**
 * The layer that the logits come from, if a factor of them can be put into stored weights: a Gemm, Conv or MatMul, with operators behind
 * it that a factor passes through, and nothing else that reads a value on the way. Of 16 bits no weight is taken: to round each one
 * again costs more than one multiplication.
 */
export function findScoreLayer(model: Model, { value }: LogitsPlace): ScoreLayer | undefined {
  const index = indexGraph(model);
  const added: ScoreWeight[] = [];
  const seen = new Set<NodeRecord>();
  let name = value;
  for (;;) {
    const node = index.producer(name);
    if (node?.domain !== '' || seen.has(node) || index.uses(name) !== 1) return undefined;
    seen.add(node);
    const layer = layerOf(index, node);
    if (layer) return { ...layer, weights: [...layer.weights, ...added] };
    const data = index.dataInputs(node);
    if (data.length !== 1) return undefined;
    if (node.opType === 'Add') {
      const bias = weightOf(index, node, node.inputs[0] === data[0] ? 1 : 0, last, true);
      if (!bias) return undefined;
      added.push(bias);
    } else if (!LINEAR.has(node.opType) || node.inputs[0] !== data[0]) return undefined;
    name = data[0] as string;
  }
}
