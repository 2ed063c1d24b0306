/** Models like the real snapshots, but with another input or output, built with onnx-proto. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import proto from 'onnx-proto';
import { SNAPSHOTS } from './fashion.ts';
import { decodeModel, node, tensor, valueInfo } from './model-builder.ts';

type Node = ReturnType<typeof node>;
type Value = ReturnType<typeof valueInfo>;
type Initializer = ReturnType<typeof tensor>;

/** What every decoded graph has. */
interface Graph {
  input: Value[];
  output: Value[];
  node: Node[];
  initializer: Initializer[];
}

/** A snapshot with `change` made to its graph: input `input` [N,1,H,W], output `logits` [N,10], both float32. */
function variantOf(snapshot: string, to: string, change: (graph: Graph) => void): string {
  const model = decodeModel(snapshot);
  change(model.graph as unknown as Graph);
  writeFileSync(to, proto.onnx.ModelProto.encode(model).finish());
  return to;
}

/** Nodes that make `input` from an input of another kind. */
const from =
  (input: Value, nodes: Node[], initializers: Initializer[] = []) =>
  (graph: Graph): void => {
    graph.input = [input];
    graph.node = [...nodes, ...graph.node];
    graph.initializer = [...graph.initializer, ...initializers];
  };

/** Nodes that make another output from `logits`; `keep` leaves the logits an output too. */
const to =
  (output: Value, nodes: Node[], { keep = false, initializers = [] as Initializer[] } = {}) =>
  (graph: Graph): void => {
    graph.output = [...(keep ? graph.output : []), output];
    graph.node = [...graph.node, ...nodes];
    graph.initializer = [...graph.initializer, ...initializers];
  };

const FLOAT32 = 1;
const FLOAT16 = 10;
const scalar = (name: string, value: number) => tensor({ name, dims: [], values: [value] });

const VARIANTS = {
  softmax: to(valueInfo('p', ['N', 10]), [node('Softmax', ['logits'], ['p'], { axis: -1 })]),
  logSoftmax: to(valueInfo('logp', ['N', 10]), [node('LogSoftmax', ['logits'], ['logp'], { axis: -1 })]),
  sigmoid: to(valueInfo('s', ['N', 10]), [node('Sigmoid', ['logits'], ['s'])]),
  twoOutputs: to(valueInfo('p', ['N', 10]), [node('Softmax', ['logits'], ['p'], { axis: -1 })], { keep: true }),
  /** [N, 10, 1, 1], as networks that end in a convolution and a pooling give. */
  fourDims: to(valueInfo('map', ['N', 10, 1, 1]), [node('Unsqueeze', ['logits', 'axes'], ['map'])], {
    initializers: [tensor({ name: 'axes', dims: [2], values: [2, 3], type: 'int64' })],
  }),
  float16Output: to(valueInfo('half', ['N', 10], 'float16'), [node('Cast', ['logits'], ['half'], { to: FLOAT16 })]),
  nan: to(valueInfo('bad', ['N', 10]), [node('Log', ['logits'], ['bad'])]),
  nhwc: from(valueInfo('image', ['N', 'H', 'W', 1]), [node('Transpose', ['image'], ['input'], { perm: [0, 3, 1, 2] })]),
  float16: from(valueInfo('image', ['N', 1, 'H', 'W'], 'float16'), [
    node('Cast', ['image'], ['input'], { to: FLOAT32 }),
  ]),
  /** Pixels in, normalised inside as the transform would. */
  uint8: from(
    valueInfo('image', ['N', 1, 'H', 'W'], 'uint8'),
    [
      node('Cast', ['image'], ['x'], { to: FLOAT32 }),
      node('Div', ['x', 'c255'], ['x01']),
      node('Sub', ['x01', 'cmean'], ['x0']),
      node('Div', ['x0', 'cstd'], ['input']),
    ],
    [scalar('c255', 255), scalar('cmean', 0.286), scalar('cstd', 0.353)],
  ),
  /** Pixels from 0 to 1 in, normalised inside. */
  normalises: from(
    valueInfo('image', ['N', 1, 'H', 'W']),
    [node('Sub', ['image', 'cmean'], ['x0']), node('Div', ['x0', 'cstd'], ['input'])],
    [scalar('cmean', 0.286), scalar('cstd', 0.353)],
  ),
  fixedBatch: (graph: Graph) => {
    graph.input = [valueInfo('input', [4, 1, 'H', 'W'])];
    graph.output = [valueInfo('logits', [4, 10])];
  },
  fixedSize: (graph: Graph) => {
    graph.input = [valueInfo('input', ['N', 1, 20, 20])];
  },
  twoInputs: (graph: Graph) => {
    graph.input = [...graph.input, valueInfo('t', [1])];
    to(valueInfo('scaled', ['N', 10]), [node('Mul', ['logits', 't'], ['scaled'])])(graph);
  },
  fiveChannels: from(
    valueInfo('image', ['N', 5, 'H', 'W']),
    [node('Slice', ['image', 'zero', 'one', 'axis'], ['input'])],
    [
      tensor({ name: 'zero', dims: [1], values: [0], type: 'int64' }),
      tensor({ name: 'one', dims: [1], values: [1], type: 'int64' }),
      tensor({ name: 'axis', dims: [1], values: [1], type: 'int64' }),
    ],
  ),
  rgb: from(valueInfo('image', ['N', 3, 'H', 'W']), [
    node('ReduceMean', ['image'], ['input'], { axes: [1], keepdims: 1 }),
  ]),
} as const satisfies Record<string, (graph: Graph) => void>;

export type Variant = keyof typeof VARIANTS;

/** Writes a variant of the newest snapshot into `folder`. */
export function variant(folder: string, name: Variant): string {
  return variantOf(SNAPSHOTS.at(-1) as string, join(folder, `${name}.onnx`), VARIANTS[name]);
}

/**
 * The newest snapshot with its weights in a file beside it, m.onnx and m.data in `folder`: the same .onnx bytes whatever
 * the weights, which `change` may alter.
 */
export function withExternalData(folder: string, change: (data: Buffer) => void = () => undefined): string {
  const chunks: Uint8Array[] = [];
  const path = variantOf(SNAPSHOTS.at(-1) as string, join(folder, 'm.onnx'), (graph) => {
    let offset = 0;
    graph.initializer = graph.initializer.map((initializer) => {
      const bytes = initializer.rawData as Uint8Array | undefined;
      if (!bytes || bytes.length < 64) return initializer;
      const entries = { location: 'm.data', offset, length: bytes.length };
      chunks.push(bytes);
      offset += bytes.length;
      const { rawData: _, ...rest } = initializer as { rawData?: unknown };
      return {
        ...rest,
        dataLocation: 1,
        externalData: Object.entries(entries).map(([key, value]) => ({ key, value: String(value) })),
      } as Initializer;
    });
  });
  const data = Buffer.concat(chunks);
  change(data);
  writeFileSync(join(folder, 'm.data'), data);
  return path;
}
