import type { FloatType } from '../../core/index.ts';
import {
  asFloatType,
  classifyTensors,
  elementCount,
  type Model,
  type NodeRecord,
  openPayload,
  type PayloadCursor,
  type TensorRecord,
  type TensorRole,
  tensorHolders,
} from '../../onnx/index.ts';
import { type Fingerprint, fingerprintIn } from './fingerprint.ts';
import { readValues, type Values } from './values.ts';

/** A float tensor that the graph stores: an initializer, or the value of a Constant node. */
export interface TemplateTensor {
  readonly name: string;
  readonly record: TensorRecord;
  readonly dims: readonly number[];
  readonly count: number;
  readonly type: FloatType;
  /** Of a Constant node: exporters write literals of the source code so. */
  readonly literal: boolean;
  readonly used: boolean;
  /** Where it is read, through Identity, Cast, Transpose and Reshape. */
  readonly readers: readonly { readonly node: NodeRecord; readonly slot: number }[];
}

/** What hands stored values on. */
export const PASSING: ReadonlySet<string> = new Set([
  'Identity',
  'Cast',
  'CastLike',
  'Transpose',
  'Reshape',
  'Unsqueeze',
  'Squeeze',
]);

/** Where each value of the main graph is read in the end. */
function readersByName(nodes: readonly NodeRecord[]): ReadonlyMap<string, { node: NodeRecord; slot: number }[]> {
  const readers = new Map<string, { node: NodeRecord; slot: number }[]>();
  for (const node of nodes.toReversed()) {
    const passing = node.domain === '' && PASSING.has(node.opType);
    node.inputs.forEach((name, slot) => {
      if (!name) return;
      const own = readers.get(name) ?? [];
      readers.set(name, own);
      const ends = passing && slot === 0 ? (readers.get(node.outputs[0] ?? '') ?? []) : [{ node, slot }];
      for (const end of ends) own.push(end);
    });
  }
  return readers;
}

const UNUSED: ReadonlySet<TensorRole> = new Set(['unused']);

/** The float tensors of a template, those of subgraphs and local functions too, in the order of the file. */
export function templateTensors({ record }: Model): TemplateTensor[] {
  const holders = tensorHolders(record);
  const readers = readersByName(record.graph.nodes);
  return [...classifyTensors(record)].flatMap(([tensor, { name, roles }]): TemplateTensor[] => {
    const type = asFloatType(tensor.dataType);
    const count = elementCount(tensor.dims);
    if (type === undefined || count === 0) return [];
    return [
      {
        name,
        record: tensor,
        dims: tensor.dims,
        count,
        type,
        literal: holders.get(tensor)?.kind === 'constant',
        used: [...roles].some((role) => !UNUSED.has(role)),
        readers: readers.get(name) ?? [],
      },
    ];
  });
}

/** Begins to read a tensor. */
export const openTensor = (template: Model, { record }: TemplateTensor): PayloadCursor => openPayload(template, record);

export const templateValues = (template: Model, tensor: TemplateTensor): Values =>
  readValues(openTensor(template, tensor), tensor.type);

export const templatePrint = (template: Model, tensor: TemplateTensor): Fingerprint =>
  fingerprintIn(() => openTensor(template, tensor), tensor.type);
