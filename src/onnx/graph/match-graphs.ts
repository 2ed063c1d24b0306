import { remembered, TemperError } from '../../core/index.ts';
import { dataTypeName } from '../read/data-type.ts';
import type {
  AttributeRecord,
  GraphRecord,
  Model,
  ModelRecord,
  NodeRecord,
  NodeScope,
  SparseRecord,
  TensorRecord,
  ValueInfoRecord,
} from '../read/model.ts';
import { samePayload, spansEqual } from '../read/payload.ts';
import { nodesOf, scopesOf, sparseOf, tensorsOfModel } from '../read/scopes.ts';
import { KEEP_NORMS } from './folded-norms.ts';
import { crossedByName } from './name-pairs.ts';
import { constantTensor, fedInputs } from './nodes.ts';
import { tensorHolders } from './tensor-holder.ts';
import { functionKey } from './tensor-role.ts';

/** Where a tensor of the template found its counterpart. */
interface TensorMatch {
  readonly tensor: TensorRecord;
  /** Its counterpart goes by another name, or is shared with another tensor of the template. */
  readonly renamed: boolean;
}

export interface GraphMatch {
  /** By the template's tensor. A tensor that no node uses and that the other model lacks is not in it. */
  readonly tensors: ReadonlyMap<TensorRecord, TensorMatch>;
}

/** A value of a graph: a tensor known in advance, or what a node or the caller yields. */
type Value = { readonly tensor: TensorRecord; readonly name: string } | { readonly id: number };

/** Names of one scope; a name that is not found here is looked up around it. */
class Environment {
  private readonly values = new Map<string, Value>();
  private readonly outer: Environment | undefined;

  constructor(outer?: Environment) {
    this.outer = outer;
  }

  set(name: string, value: Value): void {
    this.values.set(name, value);
  }

  get(name: string): Value | undefined {
    return this.values.get(name) ?? this.outer?.get(name);
  }
}

/** One of the two models during the comparison. */
interface Side {
  readonly model: Model;
  readonly scope: NodeScope;
  readonly names: Environment;
}

/**
 * Compares two models' graphs and pairs their tensors by place of use: the same input of the same operator. Where equal
 * branches stand in another order, the place pairs them crosswise: then by name (name-pairs.ts).
 *
 * Operators, domains, attributes, wiring, dims and types count; names, doc strings, metadata, value_info, the producer and
 * operator sets that no node uses do not. Constant nodes, and Identity nodes over them or over initializers, count as the
 * tensors that they yield, as exporters merge equal initializers behind Identity (an untrained network has 17 initializers
 * where the trained one has 45).
 *
 * @throws TemperError MISMATCH_GRAPH with the first difference, MISMATCH_TENSOR with the tensor
 */
export function matchGraphs(template: Model, other: Model): GraphMatch {
  const match = sharesAll(template, other) ? identity(template.record) : new Matcher(template, other).run();
  const crossed = crossedByName(template, other, (tensor) => match.tensors.get(tensor)?.tensor);
  if (crossed.size === 0) return match;
  const named = [...crossed].map(([tensor, counterpart]) => [tensor, { tensor: counterpart, renamed: false }] as const);
  return { tensors: new Map([...match.tensors, ...named]) };
}

/**
 * Whether two files have one record, as they differ in payloads alone, and nothing that a payload holds belongs to the graph:
 * tensors in attributes, and the indices of sparse tensors, must be equal.
 */
function sharesAll(template: Model, other: Model): boolean {
  if (template.record !== other.record) return false;
  return unpaired(template.record).every((tensor) => samePayload(template, tensor, other, tensor));
}

const unpaired = remembered((record: ModelRecord) => {
  const paired = tensorHolders(record);
  return [...tensorsOfModel(record)].filter((tensor) => !paired.has(tensor));
});

const identity = remembered((record: ModelRecord): GraphMatch => {
  const pairs = [...tensorHolders(record).keys()].map((tensor) => [tensor, { tensor, renamed: false }] as const);
  return { tensors: new Map(pairs) };
});

class Matcher {
  private readonly template: Model;
  private readonly other: Model;
  private readonly tensors = new Map<TensorRecord, TensorMatch>();
  /** Pairs that were found to fit, so that a tensor with 100,000 uses is read once. */
  private readonly fitting = new Map<TensorRecord, Set<TensorRecord>>();
  private readonly sparse: ReadonlyMap<TensorRecord, SparseRecord>;
  private ids = 0;

  constructor(template: Model, other: Model) {
    this.template = template;
    this.other = other;
    this.sparse = new Map(
      [template, other].flatMap(({ record }) => [...sparseOf(record)].map((s) => [s.values, s] as const)),
    );
  }

  run(): GraphMatch {
    const [a, b] = [this.template.record, this.other.record];
    this.same(() => 'operator sets', opsets(a), opsets(b));
    this.scopes(this.side(this.template, a.graph), this.side(this.other, b.graph), () => 'the graph');
    this.same(() => 'the number of local functions', a.functions.length, b.functions.length);
    const functions = new Map(b.functions.map((f) => [functionKey(f.domain, f.name, f.overload), f]));
    for (const f of a.functions) {
      const g = functions.get(functionKey(f.domain, f.name, f.overload));
      if (!g) throw this.difference(() => `function ${f.domain}.${f.name}`, 'present', 'absent');
      const where = (): string => `function ${f.name}`;
      this.same(() => `${where()}: inputs`, f.inputs.length, g.inputs.length);
      const [left, right] = [this.side(this.template, f), this.side(this.other, g)];
      this.same(() => `${where()}: outputs`, f.outputs.length, g.outputs.length);
      for (const [i, name] of f.inputs.entries()) this.pairNames(left, name, right, g.inputs[i] as string);
      this.attributes(left, f, right, g, where);
      this.scopes(left, right, where);
      for (const [i, name] of f.outputs.entries()) {
        this.pairValues(left, name, right, g.outputs[i] as string, () => `${where()}, output ${i}`);
      }
    }
    this.same(() => 'the number of training graphs', a.trainingGraphs.length, b.trainingGraphs.length);
    a.trainingGraphs.forEach((graph, i) => {
      const counterpart = b.trainingGraphs[i] as GraphRecord;
      this.scopes(this.side(this.template, graph), this.side(this.other, counterpart), () => `training graph ${i}`);
    });
    return { tensors: this.tensors };
  }

  private side(model: Model, scope: NodeScope, outer?: Environment): Side {
    return { model, scope, names: new Environment(outer) };
  }

  private scopes(a: Side, b: Side, where: Where): void {
    const [left, right] = [a.scope, b.scope];
    if (isGraph(left) && isGraph(right)) this.interfaces(a, left, b, right, where);
    const [leftNodes, rightNodes] = [significantNodes(a), significantNodes(b)];
    for (let i = 0; i < Math.max(leftNodes.length, rightNodes.length); i++) {
      const [x, y] = [leftNodes[i], rightNodes[i]];
      if (!x || !y) {
        const extra = (x ?? y) as NodeRecord;
        throw this.difference(
          () => `${where()}: node ${i}`,
          x ? nodeLabel(extra) : 'no further node',
          y ? nodeLabel(extra) : 'no further node',
        );
      }
      this.nodes(a, x, b, y, () => `${where()}: node ${i} ${nodeLabel(x)}`);
    }
    if (isGraph(left) && isGraph(right)) {
      this.same(() => `${where()}: the number of outputs`, left.outputs.length, right.outputs.length);
      left.outputs.forEach((output, i) => {
        const counterpart = right.outputs[i] as ValueInfoRecord;
        this.pairValues(a, output.name, b, counterpart.name, () => `${where()}: output ${output.name}`);
        this.types(output, counterpart, () => `${where()}: type of output ${output.name}`);
      });
      this.unused(left, right);
    }
  }

  /** Pairs the inputs in order, and makes the initializers known by name. */
  private interfaces(a: Side, left: GraphRecord, b: Side, right: GraphRecord, where: Where): void {
    for (const [side, graph] of [
      [a, left],
      [b, right],
    ] as const) {
      for (const tensor of graph.initializers) side.names.set(tensor.name, { tensor, name: tensor.name });
      for (const { values } of graph.sparseInitializers)
        side.names.set(values.name, { tensor: values, name: values.name });
    }
    const [inputs, counterparts] = [fedInputs(left), fedInputs(right)];
    this.same(() => `${where()}: the number of inputs`, inputs.length, counterparts.length);
    inputs.forEach((input, i) => {
      const counterpart = counterparts[i] as ValueInfoRecord;
      this.types(input, counterpart, () => `${where()}: type of input ${input.name}`);
      this.pairNames(a, input.name, b, counterpart.name);
    });
  }

  private nodes(a: Side, x: NodeRecord, b: Side, y: NodeRecord, where: Where): void {
    this.same(() => `${where()}: operator`, operatorText(x), operatorText(y));
    this.same(() => `${where()}: the number of inputs`, trimmed(x.inputs).length, trimmed(y.inputs).length);
    for (const [i, name] of trimmed(x.inputs).entries()) {
      this.pairValues(a, name, b, y.inputs[i] ?? '', () => `${where()}, input ${i}`);
    }
    this.attributes(a, x, b, y, where);
    this.same(() => `${where()}: the number of outputs`, trimmed(x.outputs).length, trimmed(y.outputs).length);
    trimmed(x.outputs).forEach((name, i) => {
      this.same(() => `${where()}: whether output ${i} is left out`, name === '', y.outputs[i] === '');
      this.pairNames(a, name, b, y.outputs[i] as string);
    });
  }

  private attributes(a: Side, x: WithAttributes, b: Side, y: WithAttributes, where: Where): void {
    const sorted = ({ attributes }: WithAttributes): AttributeRecord[] =>
      [...attributes].sort((l, r) => (l.name < r.name ? -1 : 1));
    const [left, right] = [sorted(x), sorted(y)];
    for (let i = 0; i < Math.max(left.length, right.length); i++) {
      const [l, r] = [left[i], right[i]];
      const label = (attribute?: AttributeRecord): string => (attribute ? JSON.stringify(attribute.name) : 'none');
      this.same(() => `${where()}: attribute ${i} by name`, label(l), label(r));
      this.attribute(a, l as AttributeRecord, b, r as AttributeRecord, () => `${where()}: attribute ${l?.name}`);
    }
  }

  private attribute(a: Side, x: AttributeRecord, b: Side, y: AttributeRecord, where: Where): void {
    const [m, n] = [a.model, b.model];
    if (x.content !== undefined && x.content === y.content) return;
    // IR 1 has no type field: 0 is no difference.
    if (x.type !== 0 && y.type !== 0) this.same(() => `${where()}: type`, x.type, y.type);
    this.same(where, scalarText(x), scalarText(y));
    const span = (s: AttributeRecord['s']): { start: number; end: number }[] => (s ? [s] : []);
    const lists = [
      [span(x.s), span(y.s)],
      [x.strings, y.strings],
      [x.types, y.types],
    ] as const;
    for (const [l, r] of lists) {
      if (!spansEqual(m.source, l, n.source, r)) throw this.difference(where, 'one text', 'another');
    }
    for (const [l, r] of [
      [x.floats, y.floats],
      [x.ints, y.ints],
    ] as const) {
      if ((l === undefined) !== (r === undefined) || (l && r && !samePayload(m, l, n, r))) {
        throw this.difference(where, `a list of ${l?.dims[0] ?? 0} values`, `another of ${r?.dims[0] ?? 0}`);
      }
    }
    this.same(() => `${where()}: tensors`, x.tensors.length, y.tensors.length);
    x.tensors.forEach((tensor, i) => {
      if (!samePayload(m, tensor, n, y.tensors[i] as TensorRecord))
        throw this.difference(where, 'one tensor', 'another');
    });
    this.same(() => `${where()}: sparse tensors`, x.sparseTensors.length, y.sparseTensors.length);
    x.sparseTensors.forEach((sparse, i) => {
      const other = y.sparseTensors[i] as typeof sparse;
      const same = samePayload(m, sparse.values, n, other.values) && samePayload(m, sparse.indices, n, other.indices);
      if (!same || sparse.dims.join() !== other.dims.join())
        throw this.difference(where, 'one sparse tensor', 'another');
    });
    this.same(() => `${where()}: subgraphs`, x.graphs.length, y.graphs.length);
    x.graphs.forEach((graph, i) => {
      this.scopes(this.side(m, graph, a.names), this.side(n, y.graphs[i] as GraphRecord, b.names), where);
    });
  }

  /** Makes two names stand for one value from here on. */
  private pairNames(a: Side, x: string, b: Side, y: string): void {
    const value: Value = { id: this.ids++ };
    if (x) a.names.set(x, value);
    if (y) b.names.set(y, value);
  }

  /** Checks that two names in use stand for one value, or pairs the tensors that they stand for. */
  private pairValues(a: Side, x: string, b: Side, y: string, where: Where): void {
    if (x === '' || y === '') {
      this.same(() => `${where()}: whether it is left out`, x === '', y === '');
      return;
    }
    const [left, right] = [a.names.get(x), b.names.get(y)];
    if (left && right && 'tensor' in left && 'tensor' in right) {
      this.pairTensors(left.tensor, left.name, right.tensor, right.name, where);
      return;
    }
    const text = (value: Value | undefined, name: string): string =>
      value === undefined ? `undefined value ${name}` : 'tensor' in value ? `tensor ${name}` : `value ${name}`;
    const same =
      left === undefined
        ? right === undefined && x === y
        : right !== undefined && 'id' in left && 'id' in right && left.id === right.id;
    if (!same) throw this.difference(where, text(left, x), text(right, y));
  }

  private pairTensors(x: TensorRecord, xName: string, y: TensorRecord, yName: string, where: Where): void {
    const fitting = this.fitting.get(x) ?? new Set();
    if (fitting.has(y)) return;
    const at = (): string => `${where()}, tensor ${JSON.stringify(xName)}`;
    const shape = (t: TensorRecord): string => `${dataTypeName(t.dataType)} [${t.dims}]`;
    if (shape(x) !== shape(y)) throw this.difference(at, shape(x), shape(y), 'MISMATCH_TENSOR');
    const [left, right] = [this.sparse.get(x), this.sparse.get(y)];
    if (left?.dims.join() !== right?.dims.join())
      throw this.difference(at, `dims [${left?.dims}]`, `[${right?.dims}]`, 'MISMATCH_TENSOR');
    if (left && right && !samePayload(this.template, left.indices, this.other, right.indices)) {
      throw this.difference(at, 'one set of sparse indices', 'another', 'MISMATCH_TENSOR');
    }
    const known = this.tensors.get(x);
    if (known && known.tensor !== y && !samePayload(this.other, known.tensor, this.other, y)) {
      throw new TemperError(
        'MISMATCH_TENSOR',
        `${this.other.path}: ${at()}: ${this.template.path} shares this tensor between two places where the other has two different ones, ${JSON.stringify(known.tensor.name)} and ${JSON.stringify(yName)}`,
        {
          hint: `Export all snapshots the same way, so that none merges equal weights. ${KEEP_NORMS}`,
          details: { template: this.template.path, path: this.other.path, tensor: xName },
        },
      );
    }
    if (!known) this.tensors.set(x, { tensor: y, renamed: xName !== yName });
    this.fitting.set(x, fitting.add(y));
  }

  /** Tensors that no node uses have no place: they are paired by name, where both models have them. */
  private unused(left: GraphRecord, right: GraphRecord): void {
    const byName = new Map(right.initializers.map((tensor) => [tensor.name, tensor]));
    for (const tensor of left.initializers) {
      const counterpart = byName.get(tensor.name);
      if (!this.tensors.has(tensor) && counterpart) {
        this.pairTensors(tensor, tensor.name, counterpart, counterpart.name, () => 'an unused initializer');
      }
    }
  }

  private types(x: ValueInfoRecord, y: ValueInfoRecord, where: Where): void {
    this.same(where, typeText(x), typeText(y));
    if (x.tensorType || !x.type || !y.type) return;
    if (!spansEqual(this.template.source, [x.type], this.other.source, [y.type]))
      throw this.difference(where, 'one sequence, map or optional', 'another');
  }

  private same(where: Where, x: string | number | boolean, y: string | number | boolean): void {
    if (x !== y) throw this.difference(where, String(x), String(y));
  }

  private difference(
    where: Where,
    x: string,
    y: string,
    code: 'MISMATCH_GRAPH' | 'MISMATCH_TENSOR' = 'MISMATCH_GRAPH',
  ): TemperError {
    return new TemperError(
      code,
      `${this.other.path}: ${where()}: found ${y}, expected ${x} as in ${this.template.path}`,
      {
        hint: 'Average snapshots of one network, exported by one program with the same options.',
        details: { path: this.other.path, template: this.template.path, where: where(), found: y, expected: x },
      },
    );
  }
}

/** A place, put into words only if a difference is found there: the graphs of snapshots rarely differ. */
type Where = () => string;

type WithAttributes = Pick<NodeRecord, 'attributes'>;

const isGraph = (scope: NodeScope): scope is GraphRecord => 'initializers' in scope;

/** The operator sets that nodes are of: exporters also import some that no node uses. */
function opsets(record: ModelRecord): string {
  const used = new Set(scopesOf(record).flatMap((scope) => [...nodesOf(scope)].map(({ domain }) => domain)));
  return [...record.opsets]
    .filter(([domain]) => used.has(domain))
    .map(([domain, version]) => `${domain || 'ai.onnx'} ${version}`)
    .sort((x, y) => (x < y ? -1 : 1))
    .join(', ');
}

function trimmed(names: readonly string[]): readonly string[] {
  let end = names.length;
  while (end > 0 && names[end - 1] === '') end--;
  return names.slice(0, end);
}

function typeText({ tensorType, type }: ValueInfoRecord): string {
  if (!tensorType) return type ? 'no tensor' : 'untyped';
  const dims = tensorType.dims?.map((dim) => (typeof dim === 'number' ? dim : '?')).join(', ');
  return `${dataTypeName(tensorType.elemType)} ${dims === undefined ? 'of any rank' : `[${dims}]`}`;
}

const nodeLabel = (node: NodeRecord): string => `${node.opType}${node.name ? ` ${JSON.stringify(node.name)}` : ''}`;
const operatorText = (node: NodeRecord): string =>
  `${node.domain ? `${node.domain}.` : ''}${node.opType}${node.overload ? `:${node.overload}` : ''}`;

function scalarText({ f, i, refAttrName }: AttributeRecord): string {
  return [
    ...(f === undefined ? [] : [Object.is(f, -0) ? '-0' : String(f)]),
    ...(i === undefined ? [] : [String(i)]),
    ...(refAttrName ? [`reference to ${refAttrName}`] : []),
  ].join(', ');
}

/**
 * The nodes of a scope without those that only name a tensor: Constant, and Identity over a tensor. What they yield
 * is made known as that tensor on the way.
 */
function significantNodes(side: Side): NodeRecord[] {
  return side.scope.nodes.filter((node) => {
    const [output] = node.outputs;
    const constant = constantTensor(node);
    if (constant && output) {
      side.names.set(output, { tensor: constant, name: output });
      return false;
    }
    if (node.opType !== 'Identity' || node.domain !== '' || !output) return true;
    const source = side.names.get(node.inputs[0] ?? '');
    if (source === undefined || !('tensor' in source)) return true;
    side.names.set(output, source);
    return false;
  });
}
