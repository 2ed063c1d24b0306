import { findDataType } from './data-type.ts';
import type { FunctionRecord, GraphRecord, ModelRecord, NodeRecord, NodeScope, TensorRecord } from './model.ts';
import { attributeOf, constantTensor } from './scopes.ts';
import { elementCount } from './walk-tensor.ts';

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

/** What the input of an operator means: a role, `flow` where the role is that of the output, `operand` for arithmetic. */
type Slot = TensorRole | 'flow' | 'operand';

const W: Slot = 'weight';
const I: Slot = 'shape_or_index';
const C: Slot = 'constant';
const F: Slot = 'flow';
const S: Slot = 'quantization_scale';
const Z: Slot = 'zero_point';
const Q: Slot = 'quantized_weight';
const O: Slot = 'operand';

/**
 * Inputs by operator (ONNX operator schemas up to opset 26, and com.microsoft's quantized ones), by position; the last
 * entry holds for all further inputs. Operators that are not named take operands.
 */
const SLOTS: Readonly<Record<string, readonly Slot[]>> = {
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
  Clip: [O, C],
  Pow: [O, C],
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
};

interface Definition {
  readonly tensor: TensorRecord;
  /** A Constant node's value rather than an initializer: exporters write literals of the source code so. */
  readonly literal: boolean;
}

interface Use {
  readonly node: NodeRecord;
  readonly slot: number;
  readonly scope: Names;
}

/** The values of one scope and of the scopes around it. */
class Names {
  readonly uses = new Map<string, Use[]>();
  private readonly outer: Names | undefined;
  private readonly defined = new Set<string>();

  constructor(outer?: Names) {
    this.outer = outer;
  }

  define(name: string): void {
    this.defined.add(name);
  }

  /** The scope that defines a name; the outermost one for a name that nobody defines. */
  owner(name: string): Names {
    return this.defined.has(name) || !this.outer ? this : this.outer.owner(name);
  }

  use(name: string, use: Use): void {
    const { uses } = this.owner(name);
    const list = uses.get(name);
    if (list) list.push(use);
    else uses.set(name, [use]);
  }
}

export interface TensorUse {
  /** The initializer's name, or the name of the Constant's output. */
  readonly name: string;
  /** At least one. */
  readonly roles: ReadonlySet<TensorRole>;
}

/** The tensors of a model with their roles: what averaging and every other edit asks first. */
export type TensorRoles = ReadonlyMap<TensorRecord, TensorUse>;

/**
 * Classifies every initializer and Constant by its uses, through Identity, Cast, Transpose, Reshape, quantization, into
 * subgraphs (captured names) and into the bodies of local functions.
 *
 * A float that no operator gives a meaning is a weight; a one-element float of a Constant node in arithmetic (an
 * epsilon, a sqrt(2)) is a constant.
 */
export function classifyTensors(record: ModelRecord): TensorRoles {
  const functions = new Map(record.functions.map((f) => [functionKey(f.domain, f.name, f.overload), f]));
  const definitions: { name: string; names: Names; definition: Definition }[] = [];
  const bodies = new Map<FunctionRecord, Names>();

  const enter = (scope: NodeScope, names: Names): Names => {
    const define = (name: string, definition: Definition): void => {
      names.define(name);
      definitions.push({ name, names, definition });
    };
    if ('initializers' in scope) {
      const graph = scope as GraphRecord;
      for (const input of graph.inputs) names.define(input.name);
      for (const tensor of graph.initializers) define(tensor.name, { tensor, literal: false });
      for (const { values } of graph.sparseInitializers) define(values.name, { tensor: values, literal: false });
    }
    for (const node of scope.nodes) {
      const tensor = constantTensor(node);
      if (tensor && node.outputs[0]) define(node.outputs[0], { tensor, literal: true });
      else for (const output of node.outputs) names.define(output);
    }
    for (const node of scope.nodes) {
      node.inputs.forEach((name, slot) => {
        if (name) names.use(name, { node, slot, scope: names });
      });
      for (const { graphs } of node.attributes) for (const graph of graphs) enter(graph, new Names(names));
    }
    return names;
  };

  for (const f of record.functions) {
    const names = new Names();
    for (const input of f.inputs) names.define(input);
    bodies.set(f, enter(f, names));
  }
  enter(record.graph, new Names());
  for (const graph of record.trainingGraphs) enter(graph, new Names());

  // A worklist, as a hostile file may chain 100,000 Identity nodes.
  const rolesOf = ({ name, names, definition: { tensor, literal } }: (typeof definitions)[number]): Set<TensorRole> => {
    const roles = new Set<TensorRole>();
    const seen = new Map<Names, Set<string>>();
    const pending: { value: string; owner: Names }[] = [];
    const follow = (value: string, scope: Names): void => {
      const owner = scope.owner(value);
      const known = seen.get(owner) ?? new Set();
      seen.set(owner, known);
      if (!known.has(value)) pending.push({ value, owner });
      known.add(value);
    };
    follow(name, names);
    for (let next = pending.pop(); next; next = pending.pop()) {
      const uses = next.owner.uses.get(next.value) ?? [];
      for (const { node, slot, scope } of uses) {
        const body = functions.get(functionKey(node.domain, node.opType, node.overload));
        const formal = body?.inputs[slot];
        const meaning = slotOf(node, slot);
        if (body && formal) follow(formal, bodies.get(body) as Names);
        else if (meaning === 'flow') for (const output of node.outputs) follow(output, scope);
        else roles.add(meaning === 'operand' ? operandRole(tensor, literal) : typedRole(tensor, meaning));
      }
    }
    // Used, but only passed on to an output of the graph.
    if (roles.size === 0 && (names.uses.get(name)?.length ?? 0) > 0) roles.add(operandRole(tensor, literal));
    return roles;
  };

  const result = new Map<TensorRecord, TensorUse>();
  for (const definition of definitions) {
    const roles = rolesOf(definition);
    result.set(definition.definition.tensor, {
      name: definition.name,
      roles: roles.size > 0 ? roles : new Set<TensorRole>(['unused']),
    });
  }
  return result;
}

export function functionKey(domain: string, name: string, overload: string): string {
  return `${domain}\0${name}\0${overload}`;
}

function slotOf(node: NodeRecord, slot: number): Slot {
  const slots = node.domain === '' || node.domain === 'com.microsoft' ? SLOTS[node.opType] : undefined;
  if (node.opType === 'Dropout' && attributeOf(node, 'ratio')) return 'flow';
  return slots?.[slot] ?? slots?.at(-1) ?? 'operand';
}

const isFloat = (tensor: TensorRecord): boolean => findDataType(tensor.dataType)?.kind === 'float';

function operandRole(tensor: TensorRecord, literal: boolean): TensorRole {
  if (!isFloat(tensor)) return findDataType(tensor.dataType)?.kind === 'integer' ? 'shape_or_index' : 'constant';
  return literal && elementCount(tensor.dims) <= 1 ? 'constant' : 'weight';
}

/** Integer codes where a weight is expected are a quantized weight. */
function typedRole(tensor: TensorRecord, role: TensorRole): TensorRole {
  if (role === 'weight' && !isFloat(tensor)) return 'quantized_weight';
  return role;
}
