import { findDataType } from '../read/data-type.ts';
import type { GraphRecord, ModelRecord, NodeRecord, NodeScope, TensorRecord } from '../read/model.ts';
import { elementCount } from '../read/tensor-size.ts';
import { constantTensor } from './nodes.ts';

/** What a tensor is for, by its use in the graph. */
export type TensorRole =
  | 'weight'
  | 'bn_mean'
  | 'bn_variance'
  | 'quantized_weight'
  | 'quantization_scale'
  | 'zero_point'
  | 'shape_or_index'
  | 'constant'
  | 'unused';

/**
 * What the input of an operator means: a role, `flow` where the role is that of the output, `operand` for arithmetic, `foreign`
 * for what an operator takes that ONNX does not define, `parameter` for a constant that networks may learn too (GeM's exponent, a bound).
 */
type Slot = TensorRole | 'flow' | 'operand' | 'foreign' | 'parameter';

const W: Slot = 'weight';
const I: Slot = 'shape_or_index';
const C: Slot = 'constant';
const F: Slot = 'flow';
const S: Slot = 'quantization_scale';
const Z: Slot = 'zero_point';
const Q: Slot = 'quantized_weight';
const O: Slot = 'operand';
const P: Slot = 'parameter';

/**
 * Inputs by operator (ONNX operator schemas up to opset 26, and com.microsoft's quantized ones), by position; the last
 * entry holds for all further inputs. Operators that are not named take operands.
 */
const SLOTS: ReadonlyMap<string, readonly Slot[]> = new Map(
  Object.entries<readonly Slot[]>({
    BatchNormalization: [W, W, W, 'bn_mean', 'bn_variance'],
    Conv: [W],
    ConvTranspose: [W],
    Gemm: [W],
    MatMul: [W],
    PRelu: [W],
    InstanceNormalization: [W],
    LayerNormalization: [W],
    GroupNormalization: [W],
    RMSNormalization: [W],
    RNN: [W, W, W, W, I, W],
    GRU: [W, W, W, W, I, W],
    LSTM: [W, W, W, W, I, W],
    DequantizeLinear: [F, S, Z],
    QuantizeLinear: [F, S, Z],
    DynamicQuantizeLinear: [F],
    QLinearConv: [Q, S, Z, Q, S, Z, S, Z, Q],
    QLinearMatMul: [Q, S, Z, Q, S, Z, S, Z],
    ConvInteger: [Q, Q, Z, Z],
    MatMulInteger: [Q, Q, Z, Z],
    QLinearAdd: [Q, S, Z, Q, S, Z, S, Z],
    QGemm: [Q, S, Z, Q, S, Z, Q, S, Z],
    Identity: [F],
    Cast: [F],
    CastLike: [F, C],
    Transpose: [F],
    Flatten: [F],
    Dropout: [F, C, C],
    Concat: [F],
    Reshape: [F, I],
    Expand: [F, I],
    Tile: [F, I],
    Slice: [F, I],
    Split: [F, I],
    Squeeze: [F, I],
    Unsqueeze: [F, I],
    Gather: [F, I],
    GatherElements: [F, I],
    GatherND: [F, I],
    Pad: [F, I, C, I],
    Resize: [F, C, C, I],
    Upsample: [F, C],
    Clip: [O, P],
    Pow: [O, P],
    ReduceSum: [O, I],
    ReduceMean: [O, I],
    ReduceMax: [O, I],
    ReduceMin: [O, I],
    ReduceL2: [O, I],
    TopK: [O, I],
    OneHot: [I, I, C],
    ConstantOfShape: [I],
    Range: [C],
    NonMaxSuppression: [O, O, I, C],
    Loop: [I, C, O],
  }),
);

/** A value of the graph: what happens to it, and which values flow into it. */
interface Value {
  used: boolean;
  /** Bits of MEANINGS: its own uses, and after the propagation those of all that it flows into. */
  meanings: number;
  readonly sources: Value[];
}

const MEANINGS: readonly Exclude<Slot, 'flow'>[] = [
  'weight',
  'bn_mean',
  'bn_variance',
  'quantized_weight',
  'quantization_scale',
  'zero_point',
  'shape_or_index',
  'constant',
  'operand',
  'foreign',
  'parameter',
];

interface Definition {
  readonly name: string;
  readonly value: Value;
  readonly tensor: TensorRecord;
  /** A Constant node's value rather than an initializer: exporters write literals of the source code so. */
  readonly literal: boolean;
}

const newValue = (): Value => ({ used: false, meanings: 0, sources: [] });

/** The values of one scope and of the scopes around it. */
class Names {
  private readonly outer: Names | undefined;
  private readonly values = new Map<string, Value>();

  constructor(outer?: Names) {
    this.outer = outer;
  }

  /** The value of a name that this scope defines. */
  define(name: string): Value {
    let value = this.values.get(name);
    if (!value) {
      value = newValue();
      this.values.set(name, value);
    }
    return value;
  }

  /** The value that a name stands for; one that nobody defines belongs to the outermost scope. */
  find(name: string): Value {
    return this.values.get(name) ?? this.outer?.find(name) ?? this.define(name);
  }
}

interface TensorUse {
  /** The initializer's name, or the name of the Constant's output. */
  readonly name: string;
  /** At least one. */
  readonly roles: ReadonlySet<TensorRole>;
  /**
   * A number that arithmetic reads and that training may have learned: a float initializer of one element (a scale of logits),
   * or the exponent of a Pow or a bound of a Clip.
   */
  readonly learnable: boolean;
}

/** The tensors of a model with their roles: what averaging and every other edit asks first. */
export type TensorRoles = ReadonlyMap<TensorRecord, TensorUse>;

/**
 * Classifies every initializer and Constant by its uses, through Identity, Cast, Transpose, Reshape, quantization, into
 * subgraphs (captured names) and into the bodies of local functions.
 *
 * A float that no operator gives a meaning is a weight; a one-element float of a Constant node in arithmetic (an
 * epsilon, a sqrt(2)) is a constant. An integer of 8 bits or less in arithmetic, or where an operator that is not known
 * reads it, is a code: shapes and indices have 32 or 64 bits. Several integers that an operator of another domain reads are codes
 * whatever their type: 4-bit weights come packed into int32.
 */
export function classifyTensors(record: ModelRecord): TensorRoles {
  const functions = new Map(record.functions.map((f) => [functionKey(f.domain, f.name, f.overload), f]));
  const bodies = new Map(record.functions.map((f) => [f, new Names()]));
  const definitions: Definition[] = [];
  const used = new Set<Value>();

  const use = (node: NodeRecord, names: Names): void => {
    const body = functions.get(functionKey(node.domain, node.opType, node.overload));
    // One value stands between all inputs that flow and all outputs: a node has inputs + outputs edges, not inputs · outputs.
    const through = newValue();
    node.inputs.forEach((name, slot) => {
      if (!name) return;
      const value = names.find(name);
      value.used = true;
      used.add(value);
      const formal = body?.inputs[slot];
      const meaning = slotOf(node, slot);
      if (body && formal) bodies.get(body)?.define(formal).sources.push(value);
      else if (meaning === 'flow') through.sources.push(value);
      else value.meanings |= 1 << MEANINGS.indexOf(meaning);
    });
    if (through.sources.length > 0) for (const output of node.outputs) names.find(output).sources.push(through);
  };

  const enter = (scope: NodeScope, names: Names): void => {
    const define = (name: string, tensor: TensorRecord, literal: boolean): void => {
      definitions.push({ name, value: names.define(name), tensor, literal });
    };
    if ('initializers' in scope) {
      const graph = scope as GraphRecord;
      for (const input of graph.inputs) names.define(input.name);
      for (const tensor of graph.initializers) define(tensor.name, tensor, false);
      for (const { values: tensor } of graph.sparseInitializers) define(tensor.name, tensor, false);
    }
    for (const node of scope.nodes) {
      const tensor = constantTensor(node);
      if (tensor && node.outputs[0]) define(node.outputs[0], tensor, true);
      else for (const output of node.outputs) names.define(output);
    }
    for (const node of scope.nodes) {
      use(node, names);
      for (const { graphs } of node.attributes) for (const graph of graphs) enter(graph, new Names(names));
    }
  };

  for (const [f, names] of bodies) for (const input of f.inputs) names.define(input);
  for (const [f, names] of bodies) enter(f, names);
  enter(record.graph, new Names());
  for (const graph of record.trainingGraphs) enter(graph, new Names());
  propagate(used);

  return new Map(
    definitions.map(({ name, value, tensor, literal }) => [
      tensor,
      { name, roles: rolesOf(value, tensor, literal), learnable: !literal && isLearnable(value, tensor) },
    ]),
  );
}

/**
 * Hands the meanings of every value back to what flows into it, until nothing changes. A value is visited once per
 * meaning at most, so that 100,000 tensors behind 100,000 chained Identity nodes take no longer than their edges.
 */
function propagate(used: ReadonlySet<Value>): void {
  const pending = [...used].filter(({ meanings }) => meanings !== 0);
  for (let value = pending.pop(); value; value = pending.pop()) {
    for (const source of value.sources) {
      if ((source.meanings | value.meanings) === source.meanings) continue;
      source.meanings |= value.meanings;
      pending.push(source);
    }
  }
}

function rolesOf(value: Value, tensor: TensorRecord, literal: boolean): ReadonlySet<TensorRole> {
  if (!value.used) return new Set(['unused']);
  const meanings = MEANINGS.filter((_, bit) => value.meanings & (1 << bit));
  // Used, but only passed on to an output of the graph: an operand.
  return new Set(
    (meanings.length > 0 ? meanings : (['operand'] as const)).map((meaning) => {
      if (meaning === 'operand') return operandRole(tensor, literal);
      return meaning === 'foreign' ? foreignRole(tensor, literal) : typedRole(tensor, meaning);
    }),
  );
}

const hasMeaning = ({ meanings }: Value, meaning: Exclude<Slot, 'flow'>): boolean =>
  (meanings & (1 << MEANINGS.indexOf(meaning))) !== 0;

function isLearnable(value: Value, tensor: TensorRecord): boolean {
  if (!isFloat(tensor)) return false;
  if (hasMeaning(value, 'parameter')) return true;
  return (hasMeaning(value, 'operand') || hasMeaning(value, 'foreign')) && elementCount(tensor.dims) === 1;
}

export function functionKey(domain: string, name: string, overload: string): string {
  return `${domain}\0${name}\0${overload}`;
}

function slotOf(node: NodeRecord, slot: number): Slot {
  const isOnnx = node.domain === '' || node.domain === 'ai.onnx';
  const slots = isOnnx || node.domain === 'com.microsoft' ? SLOTS.get(node.opType) : undefined;
  return slots?.[slot] ?? slots?.at(-1) ?? (isOnnx ? 'operand' : 'foreign');
}

const isFloat = (tensor: TensorRecord): boolean => findDataType(tensor.dataType)?.kind === 'float';

/** Operators that take shapes and indices want 32 or 64 bits (ONNX operator schemas). */
const MOST_CODE_BITS = 8;

function isCode({ dataType }: TensorRecord): boolean {
  const type = findDataType(dataType);
  return type?.kind === 'integer' && type.bits <= MOST_CODE_BITS;
}

function operandRole(tensor: TensorRecord, literal: boolean): TensorRole {
  if (isCode(tensor)) return 'quantized_weight';
  if (!isFloat(tensor)) return findDataType(tensor.dataType)?.kind === 'integer' ? 'shape_or_index' : 'constant';
  return literal && elementCount(tensor.dims) <= 1 ? 'constant' : 'weight';
}

/** A single integer counts or chooses something; several may be codes, packed in any type. */
function foreignRole(tensor: TensorRecord, literal: boolean): TensorRole {
  const packed = findDataType(tensor.dataType)?.kind === 'integer' && elementCount(tensor.dims) > 1;
  return packed ? 'quantized_weight' : operandRole(tensor, literal);
}

/** Integer codes where a weight is expected are a quantized weight. */
function typedRole(tensor: TensorRecord, meaning: TensorRole | 'parameter'): TensorRole {
  if (meaning === 'weight' && !isFloat(tensor)) return 'quantized_weight';
  if (meaning === 'parameter' || meaning === 'constant') return isCode(tensor) ? 'quantized_weight' : 'constant';
  return meaning;
}
