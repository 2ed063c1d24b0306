import { TemperError } from '../../core/index.ts';
import { freeNames } from '../graph/free-names.ts';
import { FIELD } from '../read/fields.ts';
import type { AttributeRecord, FunctionRecord, GraphRecord, Model, NodeRecord } from '../read/model.ts';
import { nodesOf } from '../read/scopes.ts';
import { editedMessage, editedModel } from './apply-edits.ts';
import type { Edit } from './edit.ts';
import {
  delimited,
  importOpset,
  removeValueInfos,
  renameNode,
  renameOutput,
  renameValue,
  rewireInput,
  setTensorName,
} from './edits.ts';

/** Functions that call each other twice and again make of a small file an endless graph. */
const MAX_NODES = 200_000;
const MAX_BYTES = 1 << 30;
const MAX_DEPTH = 64;

/** Where a node of a copy comes from. */
export interface Origin {
  /** The node of a function's body. */
  readonly node: NodeRecord;
  /** The calls that led there, that of the main graph first; with each the function that it calls. */
  readonly calls: readonly Call[];
}

interface Call {
  readonly node: NodeRecord;
  readonly body: FunctionRecord;
}

/** A throw-away copy of a model in which some calls of its local functions are the functions' bodies. */
export interface Inlined {
  /** The model itself where nothing is called. */
  readonly model: Model;
  /** Of the nodes of the copy's main graph that were in bodies. */
  readonly origins: ReadonlyMap<NodeRecord, Origin>;
  /** Functions that lead to what was looked for and whose calls stay, some or all, with the reason. */
  readonly left: ReadonlyMap<FunctionRecord, string>;
  /** Functions that are called in subgraphs, from where calls stay, too. */
  readonly calledInside: ReadonlySet<FunctionRecord>;
}

type Attributes = ReadonlyMap<string, Uint8Array>;

/** What names mean in a body, for one call of it. */
interface Names {
  readonly rename: (name: string) => string;
  /** Values of the call's attributes: contents of AttributeProto. */
  readonly attributes: Attributes;
  readonly prefix: string;
  readonly calls: readonly Call[];
}

function attributeEdits(node: NodeRecord, attribute: AttributeRecord, names: Names): Edit[] {
  const { message, name, refAttrName, graphs } = attribute;
  if (refAttrName === '') return graphs.flatMap((graph) => graphEdits(graph, names));
  const value = names.attributes.get(refAttrName);
  const pieces = value
    ? [delimited(FIELD.node.attribute, Buffer.concat([value, delimited(FIELD.attribute.name, name)]))]
    : [];
  return [{ within: node.message, start: message.tagStart, end: message.end, pieces }];
}

function nodeEdits(node: NodeRecord, names: Names): Edit[] {
  const renamed = (list: readonly string[], edit: (index: number, name: string) => Edit): Edit[] =>
    list.flatMap((name, index) => (names.rename(name) === name ? [] : [edit(index, names.rename(name))]));
  return [
    ...renamed(node.inputs, (index, name) => rewireInput(node, index, name)),
    ...renamed(node.outputs, (index, name) => renameOutput(node, index, name)),
    ...node.attributes.flatMap((attribute) => attributeEdits(node, attribute, names)),
  ];
}

function graphEdits(graph: GraphRecord, names: Names): Edit[] {
  const { nodes, initializers, sparseInitializers, inputs, outputs } = graph;
  return [
    ...nodes.flatMap((node) => nodeEdits(node, names)),
    ...[...initializers, ...sparseInitializers.map(({ values }) => values)].flatMap((tensor) =>
      setTensorName(tensor, names.rename(tensor.name)),
    ),
    ...[...inputs, ...outputs].map((value) => renameValue(value, names.rename(value.name))),
    ...removeValueInfos(graph),
  ];
}

/** The values of a call's attributes, where it gives none the function's own. */
function attributesOf(model: Model, { node, body }: Call, names: Names): Attributes {
  const values = new Map<string, Uint8Array>();
  for (const { name, message } of body.attributes) values.set(name, editedMessage(model, message, []));
  for (const { name, message, refAttrName, graphs } of node.attributes) {
    const value = refAttrName
      ? names.attributes.get(refAttrName)
      : editedMessage(
          model,
          message,
          graphs.flatMap((graph) => graphEdits(graph, names)),
        );
    if (value) values.set(name, value);
  }
  return values;
}

const functionKey = (domain: string, name: string, overload: string): string => `${domain}\0${name}\0${overload}`;
type Callee = (node: NodeRecord) => FunctionRecord | undefined;

/** Finds the function that a node calls. */
function calleesOf({ record }: Model): Callee {
  const byKey = new Map(record.functions.map((body) => [functionKey(body.domain, body.name, body.overload), body]));
  return ({ domain, opType, overload }) => byKey.get(functionKey(domain, opType, overload));
}

/** Functions that lead, by calls, to a node that is looked for; and those of them that lead to themselves. */
function holders({ record }: Model, callee: Callee, isWanted: (node: NodeRecord) => boolean) {
  const holds = new Map<FunctionRecord, boolean>();
  const circular = new Set<FunctionRecord>();
  const visit = (body: FunctionRecord, path: readonly FunctionRecord[]): boolean => {
    if (path.includes(body) || path.length >= MAX_DEPTH) {
      for (const one of path) circular.add(one);
      return false;
    }
    const known = holds.get(body);
    if (known !== undefined) return known;
    let found = false;
    for (const node of nodesOf(body)) {
      const next = callee(node);
      // All are visited: a circle behind the first that is found is one, too.
      if (next ? visit(next, [...path, body]) : isWanted(node)) found = true;
    }
    holds.set(body, found);
    return found;
  };
  for (const body of record.functions) visit(body, []);
  return { holds: (body: FunctionRecord) => holds.get(body) === true, circular };
}

/** Functions that nodes of subgraphs call. */
function callsInside({ record }: Model, callee: Callee): FunctionRecord[] {
  return [record.graph, ...record.functions].flatMap((scope) => {
    const own = new Set(scope.nodes);
    return [...nodesOf(scope)].flatMap((node) => (own.has(node) ? [] : (callee(node) ?? [])));
  });
}

/** Functions, and those that they call. */
function withCallees(bodies: readonly FunctionRecord[], callee: Callee): Set<FunctionRecord> {
  const called = new Set<FunctionRecord>();
  const pending = [...bodies];
  for (let body = pending.pop(); body !== undefined; body = pending.pop()) {
    if (called.has(body)) continue;
    called.add(body);
    for (const node of nodesOf(body)) pending.push(...[callee(node) ?? []].flat());
  }
  return called;
}

/** Why a body cannot stand in the main graph. */
function refusal({ record }: Model, body: FunctionRecord, circular: ReadonlySet<FunctionRecord>): string | undefined {
  if (circular.has(body)) return `it is a function that calls itself, or whose calls are over ${MAX_DEPTH} deep`;
  for (const [domain, version] of body.opsets) {
    const own = record.opsets.get(domain);
    if (own !== undefined && own !== version)
      return `it is a function of opset ${version}${domain && ` of ${domain}`}, the model of ${own}`;
  }
  return undefined;
}

/** @throws TemperError FORMAT_LIMIT for calls that come to more than any exporter's */
function assertBounded({ path, record }: Model, isInlined: (body: FunctionRecord) => boolean, callee: Callee): void {
  const known = new Map<FunctionRecord, readonly [nodes: number, bytes: number]>();
  const costOf = (nodes: readonly NodeRecord[]): readonly [number, number] =>
    nodes.reduce<readonly [number, number]>(
      ([count, bytes], node) => {
        const body = callee(node);
        if (!body || !isInlined(body)) return [count + 1, bytes + node.message.end - node.message.tagStart];
        const cost = known.get(body) ?? costOf(body.nodes);
        known.set(body, cost);
        return [count + cost[0], bytes + cost[1]];
      },
      [0, 0],
    );
  const [nodes, bytes] = costOf(record.graph.nodes);
  if (nodes <= MAX_NODES && bytes <= MAX_BYTES) return;
  throw new TemperError('FORMAT_LIMIT', `${path}: calls of its functions come to ${nodes} nodes of ${bytes} bytes`, {
    hint: `No exporter writes such a file; at most ${MAX_NODES} nodes and ${MAX_BYTES} bytes are taken.`,
    details: { path, nodes, bytes },
  });
}

/** Puts the body of a call, and what it calls, into lists of nodes. */
function expander(model: Model, isInlined: (body: FunctionRecord) => boolean, callee: Callee) {
  const freeName = freeNames(model);
  const origins: (Origin | undefined)[] = [];
  const expand = (call: Call, names: Names): Uint8Array[] => {
    const { node, body } = call;
    const own = new Map(body.inputs.map((formal, i) => [formal, names.rename(node.inputs[i] ?? '')]));
    for (const [i, formal] of body.outputs.entries()) {
      const actual = names.rename(node.outputs[i] ?? '');
      if (actual !== '') own.set(formal, actual);
    }
    const prefix = `${names.prefix}${node.name || node.outputs[0]}/`;
    const inner: Names = {
      prefix,
      attributes: attributesOf(model, call, names),
      calls: [...names.calls, call],
      rename(name) {
        if (name === '') return '';
        const known = own.get(name);
        if (known !== undefined) return known;
        const made = freeName(`${prefix}${name}`);
        own.set(name, made);
        return made;
      },
    };
    return body.nodes.flatMap((one) => {
      const next = callee(one);
      if (next && isInlined(next)) return expand({ node: one, body: next }, inner);
      origins.push({ node: one, calls: inner.calls });
      const named = one.name ? [renameNode(one, `${prefix}${one.name}`)] : [];
      return [delimited(FIELD.graph.node, editedMessage(model, one.message, [...nodeEdits(one, inner), ...named]))];
    });
  };
  return { origins, expand };
}

/**
 * A throw-away copy of a model in which every call, from the main graph, of a local function that holds a node that is looked for is
 * the function's body: names made unique behind the call's, attributes of the call put in where the body refers to them. Other
 * calls stay, as do calls in subgraphs.
 *
 * Memory: the model file, and the bodies once a call.
 * @throws TemperError FORMAT_LIMIT for calls that multiply beyond any exporter's
 */
export function inlineCalls(model: Model, isWanted: (node: NodeRecord) => boolean): Inlined {
  const { graph, functions, opsets } = model.record;
  const nothing = { model, origins: new Map<never, never>() };
  if (functions.length === 0) return { ...nothing, left: new Map(), calledInside: new Set() };
  const callee = calleesOf(model);
  const { holds, circular } = holders(model, callee, isWanted);
  const inside = callsInside(model, callee);
  const calledInside = withCallees(inside, callee);
  const left = new Map(inside.filter(holds).map((body) => [body, 'it is a function that a subgraph calls']));
  const missing = new Map<string, number>();
  const isInlined = (body: FunctionRecord): boolean => {
    if (!holds(body)) return false;
    const reason = refusal(model, body, circular);
    if (reason !== undefined) left.set(body, reason);
    else for (const [domain, version] of body.opsets) if (!opsets.has(domain)) missing.set(domain, version);
    return reason === undefined;
  };
  assertBounded(model, isInlined, callee);
  const { origins, expand } = expander(model, isInlined, callee);
  const outer: Names = { rename: (name) => name, attributes: new Map(), prefix: '', calls: [] };
  const edits = graph.nodes.flatMap((node): Edit[] => {
    const body = callee(node);
    if (body && isInlined(body)) {
      const { tagStart: start, end } = node.message;
      return [{ within: graph.message, start, end, pieces: expand({ node, body }, outer) }];
    }
    origins.push(undefined);
    return [];
  });
  if (edits.length === 0) return { ...nothing, left, calledInside };
  const imports = [...missing].map(([domain, version]) => importOpset(model, domain, version));
  const copy = editedModel(model, [...edits, ...imports]);
  const found = copy.record.graph.nodes.flatMap((node, i) => {
    const origin = origins[i];
    return origin ? [[node, origin] as const] : [];
  });
  return { model: copy, origins: new Map(found), left, calledInside };
}
