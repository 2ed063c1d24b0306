/** The real snapshot with other heads behind its features, and labels of two classes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import proto from 'onnx-proto';
import { readIdxLabels } from '../../src/data/index.ts';
import { FASHION, SNAPSHOTS } from './fashion.ts';
import { decodeModel, node, rawBytes, TYPE_CODE } from './model-builder.ts';

const { onnx } = proto;
type Model = ReturnType<typeof decodeModel>;
type Graph = NonNullable<Model['graph']>;

/** How a head differs from the snapshot's Gemm. */
const HEADS = {
  gemm: () => undefined,
  softmax: (graph: Graph) => append(graph, node('Softmax', ['logits'], ['out'])),
  'log-softmax': (graph: Graph) => append(graph, node('LogSoftmax', ['logits'], ['out'])),
  sigmoid: (graph: Graph) => append(graph, node('Sigmoid', ['logits'], ['out'])),
  /** Somebody else reads the logits. */
  read: (graph: Graph) => {
    append(graph, node('Softmax', ['logits'], ['out']));
    graph.output?.push({ name: 'logits', type: { tensorType: { elemType: TYPE_CODE.float32 } } });
  },
  half: (graph: Graph) => {
    append(graph, node('Cast', ['logits'], ['half'], { to: TYPE_CODE.float16 }));
    append(graph, node('Softmax', ['half'], ['p']));
    append(graph, node('Cast', ['p'], ['out'], { to: TYPE_CODE.float32 }));
  },
  /** The weight is made from codes. */
  qdq: (graph: Graph) => {
    const gemm = graph.node?.at(-1);
    const weight = graph.initializer?.find(({ name }) => name === gemm?.input?.[1]);
    const values = new Float32Array(new Uint8Array(weight?.rawData ?? []).buffer);
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
    graph.initializer?.push(
      {
        name: 'codes',
        dims: weight?.dims ?? [],
        dataType: 3,
        rawData: rawBytes(
          'int8',
          [...values].map((v) => Math.round(v / scale)),
        ),
      },
      { name: 'step', dims: [], dataType: 1, rawData: rawBytes('float32', [scale]) },
    );
    graph.node?.splice(-1, 0, node('DequantizeLinear', ['codes', 'step'], ['weight']));
    if (gemm?.input) gemm.input[1] = 'weight';
  },
  /** A softmax that is no node of its own. */
  'written-out': (graph: Graph) => {
    append(graph, node('Exp', ['logits'], ['e']));
    append(graph, node('ReduceSum', ['e', 'last'], ['sum']));
    append(graph, node('Div', ['e', 'sum'], ['out']));
    graph.initializer?.push({ name: 'last', dims: [1], dataType: 7, rawData: rawBytes('int64', [1]) });
  },
  'matmul-add': (graph: Graph) => {
    const gemm = graph.node?.pop();
    const [x, w, b] = (gemm?.input ?? []) as [string, string, string];
    append(graph, node('Transpose', [w], ['turned'], { perm: [1, 0] }));
    append(graph, node('MatMul', [x, 'turned'], ['product']));
    append(graph, node('Add', [b, 'product'], ['logits']));
  },
  /** A 1x1 convolution without a bias, and a mean over places behind it. */
  conv: (graph: Graph) => {
    const gemm = graph.node?.pop();
    const [x, w] = (gemm?.input ?? []) as [string, string];
    const weight = graph.initializer?.find(({ name }) => name === w);
    if (weight) weight.dims = [...(weight.dims ?? []), 1, 1];
    append(graph, node('Unsqueeze', [x, 'places'], ['maps']));
    append(graph, node('Conv', ['maps', w], ['scores'], { kernel_shape: [1, 1] }));
    append(graph, node('GlobalAveragePool', ['scores'], ['means']));
    append(graph, node('Flatten', ['means'], ['out'], { axis: 1 }));
    graph.initializer?.push({ name: 'places', dims: [2], dataType: 7, rawData: rawBytes('int64', [2, 3]) });
  },
  /** One score: class 1 against class 0. */
  single: (graph: Graph) => {
    append(graph, node('Sub', ['logits', 'middle'], ['centred']));
    append(graph, node('Gather', ['centred', 'which'], ['score'], { axis: 1 }));
    append(graph, node('Sigmoid', ['score'], ['out']));
    graph.initializer?.push(
      { name: 'which', dims: [1], dataType: 7, rawData: rawBytes('int64', [1]) },
      { name: 'middle', dims: [], dataType: 1, rawData: rawBytes('float32', [10]) },
    );
  },
} as const;
export type Head = keyof typeof HEADS;

function append(graph: Graph, ...nodes: NonNullable<Graph['node']>): void {
  graph.node?.push(...nodes);
}

/**
 * Writes the last snapshot with a head whose scores are `factor` times as large: overconfident, with the same answers.
 */
export function writeHead(folder: string, head: Head, factor = 3): string {
  const model = decodeModel(SNAPSHOTS.at(-1) as string);
  const graph = model.graph as Graph;
  const gemm = graph.node?.at(-1);
  for (const name of gemm?.input?.slice(1) ?? []) {
    const found = graph.initializer?.find((one) => one.name === name);
    if (!found) throw new Error(`no initializer ${name}`);
    const values = new Float32Array(new Uint8Array(found.rawData ?? []).buffer).map((value) => value * factor);
    found.rawData = new Uint8Array(values.buffer);
  }
  const output = graph.output?.[0];
  const was = gemm?.output?.[0];
  if (gemm?.output) gemm.output[0] = 'logits';
  HEADS[head](graph);
  const last = graph.node?.at(-1)?.output?.[0] ?? '';
  if (output) output.name = last;
  if (was === undefined) throw new Error('the snapshot has a Gemm');
  if (head === 'single') for (const dim of output?.type?.tensorType?.shape?.dim?.slice(1) ?? []) dim.dimValue = 1;
  const path = join(folder, `${head}-${factor}.onnx`);
  writeFileSync(path, onnx.ModelProto.encode(model).finish());
  return path;
}

/** The real labels as two classes: 1 for trousers. */
export const writeTwoClasses = (folder: string): Promise<string> =>
  writeLabels(folder, 'two', (label) => Number(label === 1));

/** The real labels, each as another number. */
export async function writeLabels(folder: string, name: string, as: (label: number) => number): Promise<string> {
  const labels = await readIdxLabels(`${FASHION}/test-labels-idx1-ubyte.gz`);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(0x801, 0);
  header.writeUInt32BE(labels.length, 4);
  const path = join(folder, `${name}-idx1-ubyte.gz`);
  writeFileSync(path, gzipSync(Buffer.concat([header, Buffer.from(labels.map(as))])));
  return path;
}
