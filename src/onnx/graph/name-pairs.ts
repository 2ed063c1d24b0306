import { createHash } from 'node:crypto';
import { readBytes } from '../../core/index.ts';
import type { AttributeRecord, Model, NodeRecord, TensorRecord } from '../read/model.ts';
import { fedInputs } from './nodes.ts';

/** Operators whose result does not depend on the order of their inputs (ONNX operator schemas). */
const COMMUTATIVE: ReadonlySet<string> = new Set([
  'Add',
  'Mul',
  'Sum',
  'Mean',
  'Max',
  'Min',
  'And',
  'Or',
  'Xor',
  'Equal',
]);

const hash = (parts: readonly string[]): string => createHash('sha256').update(JSON.stringify(parts)).digest('base64');

function attributeText({ source }: Model, attribute: AttributeRecord): string {
  return (
    attribute.content ??
    Buffer.from(readBytes(source, attribute.message.start, attribute.message.end - attribute.message.start)).toString(
      'latin1',
    )
  );
}

/** What a node computes, without its place; undefined for a node with branches, whose captured names it does not show. */
function computation(model: Model, node: NodeRecord, inputs: readonly string[]): string | undefined {
  if (node.attributes.some(({ graphs }) => graphs.length > 0)) return undefined;
  const isCommutative = node.domain === '' && COMMUTATIVE.has(node.opType);
  const attributes = node.attributes.map((attribute) => attributeText(model, attribute)).sort();
  return hash([
    node.domain,
    node.opType,
    node.overload,
    ...attributes,
    '',
    ...(isCommutative ? [...inputs].sort() : inputs),
  ]);
}

/**
 * What the outputs of a main graph are computed from, told by the names of its initializers and not by the order of its nodes;
 * undefined where that cannot be told.
 */
function computedOutputs(model: Model): readonly string[] | undefined {
  const { graph } = model.record;
  const values = new Map<string, string>();
  for (const [i, { name }] of fedInputs(graph).entries()) values.set(name, hash(['input', String(i)]));
  for (const { name, dataType, dims } of graph.initializers)
    values.set(name, hash(['initializer', name, String(dataType), String(dims)]));
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => (name === '' ? '' : values.get(name)));
    const computed = inputs.includes(undefined) ? undefined : computation(model, node, inputs as string[]);
    if (computed === undefined) return undefined;
    for (const [i, name] of node.outputs.entries()) values.set(name, hash([computed, String(i)]));
  }
  const outputs = graph.outputs.map(({ name }) => values.get(name));
  return outputs.includes(undefined) ? undefined : (outputs as string[]);
}

/** The initializers whose pairs by place go round by name: a is b there, and b is a (or c, which is a). */
function crosswise(template: Model, counterpart: (tensor: TensorRecord) => TensorRecord | undefined): TensorRecord[] {
  const next = new Map<string, string>();
  for (const tensor of template.record.graph.initializers) {
    const other = counterpart(tensor)?.name;
    if (other && other !== tensor.name) next.set(tensor.name, other);
  }
  const known = new Map<string, boolean>();
  for (const start of next.keys()) {
    const chain = new Map<string, number>();
    let name: string | undefined = start;
    while (name !== undefined && !known.has(name) && !chain.has(name)) {
      chain.set(name, chain.size);
      name = next.get(name);
    }
    const from = name === undefined ? undefined : chain.get(name);
    for (const [each, i] of chain) known.set(each, from !== undefined && i >= from);
  }
  return template.record.graph.initializers.filter(({ name }) => known.get(name));
}

/**
 * The counterparts by name of initializers that pairs by place cross: equal branches that the two files list in another order
 * fit each other either way, and only the names tell which is which. Empty where names and graph contradict each other: names
 * that were exchanged between exports follow the graph.
 */
export function crossedByName(
  template: Model,
  other: Model,
  counterpart: (tensor: TensorRecord) => TensorRecord | undefined,
): ReadonlyMap<TensorRecord, TensorRecord> {
  const crossed = crosswise(template, counterpart);
  if (crossed.length === 0) return new Map();
  const [outputs, others] = [computedOutputs(template), computedOutputs(other)];
  if (!outputs || outputs.join() !== others?.join()) return new Map();
  const byName = new Map(other.record.graph.initializers.map((tensor) => [tensor.name, tensor]));
  return new Map(crossed.map((tensor) => [tensor, byName.get(tensor.name) as TensorRecord]));
}
