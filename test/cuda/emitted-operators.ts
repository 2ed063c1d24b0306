/** The operators that the product itself put into graphs, with the types that they work on. */
import { readFileSync } from 'node:fs';
import proto from 'onnx-proto';

type Graph = NonNullable<ReturnType<typeof proto.onnx.ModelProto.decode>['graph']>;
type Node = NonNullable<Graph['node']>[number];

export interface EmittedOperator {
  readonly op: string;
  readonly opset: number;
  /** Of the data: the first input, or what is chosen from (Where). Undefined where the graph does not tell. */
  readonly type: string | undefined;
}

/** Every name that the product makes up begins with this (src/onnx/graph/free-names.ts keeps them apart). */
const OURS = 'onnx_temper';
const NAMES: Readonly<Record<number, string>> = {
  1: 'float',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'double',
  16: 'bfloat16',
};
const [FLOAT, INT64, BOOL] = [1, 7, 9];
const CONDITIONS = /^(Equal|Greater|GreaterOrEqual|Less|LessOrEqual|Not|And|Or|Xor|IsNaN|IsInf)$/;

const attribute = (node: Node, name: string) => node.attribute?.find((one) => one.name === name);

/** What a node gives, of what it takes. */
function outputType(node: Node, typeOf: ReadonlyMap<string, number>): number | undefined {
  if (node.opType === 'Cast') return Number(attribute(node, 'to')?.i ?? 0);
  if (node.opType === 'ConstantOfShape') return attribute(node, 'value')?.t?.dataType ?? FLOAT;
  if (node.opType === 'Constant') return attribute(node, 'value')?.t?.dataType ?? undefined;
  if (/^(Shape|Size|ArgMax|ArgMin|NonZero)$/.test(node.opType ?? '')) return INT64;
  if (CONDITIONS.test(node.opType ?? '')) return BOOL;
  return dataType(node, typeOf);
}

const dataType = (node: Node, typeOf: ReadonlyMap<string, number>): number | undefined =>
  typeOf.get(node.input?.[node.opType === 'Where' ? 1 : 0] ?? '');

/** The values of a graph, by name: calibration calls its nodes `<value>/<operator>`, and keeps the names of outputs. */
const valuesOf = ({ input = [], node = [] }: Graph): Set<string> =>
  new Set([...(input ?? []).map(({ name }) => name ?? ''), ...(node ?? []).flatMap(({ output }) => output ?? [])]);

const isOurs = ({ output, name, opType }: Node, values: ReadonlySet<string>): boolean =>
  (output ?? []).some((one) => one.includes(OURS)) ||
  ((name ?? '').endsWith(`/${opType}`) && values.has((name ?? '').slice(0, -`/${opType}`.length)));

function* operatorsOf(graph: Graph, opset: number, outer: ReadonlyMap<string, number>): Generator<EmittedOperator> {
  const types = new Map(outer);
  for (const { name, type } of [...(graph.input ?? []), ...(graph.valueInfo ?? [])]) {
    const elem = type?.tensorType?.elemType;
    if (name && elem) types.set(name, elem);
  }
  for (const { name, dataType: elem } of graph.initializer ?? []) if (name && elem) types.set(name, elem);
  const values = valuesOf(graph);
  for (const node of graph.node ?? []) {
    const given = outputType(node, types);
    if (given !== undefined) for (const output of node.output ?? []) types.set(output, given);
    for (const { g } of node.attribute ?? []) if (g) yield* operatorsOf(g as Graph, opset, types);
    if (node.opType === 'Constant' || !isOurs(node, values)) continue;
    yield { op: node.opType ?? '', opset, type: NAMES[dataType(node, types) ?? 0] };
  }
}

/** @param path a graph that a session was opened with */
export function emittedOperators(path: string): EmittedOperator[] {
  const { graph, opsetImport } = proto.onnx.ModelProto.decode(readFileSync(path));
  const opset = Number(opsetImport?.find(({ domain }) => !domain)?.version ?? 0);
  return graph ? [...operatorsOf(graph as Graph, opset, new Map())] : [];
}
