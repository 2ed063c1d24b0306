import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { random } from '../../src/core/index.ts';
import { type GraphRecord, modelFromBytes, replaceInline, type TensorRecord } from '../../src/onnx/index.ts';
import { applyEdits } from './apply-edits.ts';

/** torchvision's graphs without their weights (see the README there). */
const TORCHVISION = fileURLToPath(new URL('../../../fixtures/torchvision', import.meta.url));

/** `resnet18` (BatchNormalization kept), `resnet18-folded`, `resnet18-fixed`, ... */
export const TORCHVISION_GRAPHS: readonly string[] = readdirSync(TORCHVISION)
  .filter((name) => name.endsWith('.onnx'))
  .map((name) => name.slice(0, -'.onnx'.length))
  .sort();

/** Where a value lies: uniform in [low, high). */
type Range = readonly [low: number, high: number];

const SMALL: Range = [-0.1, 0.1];
const NEAR_ONE: Range = [0.8, 1.2];

const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

/** Variance 2 / fan in (He et al., ICCV 2015, eq. 10), uniform. */
function he(fanIn: number): Range {
  const bound = Math.sqrt(6 / fanIn);
  return [-bound, bound];
}

const outputFirst = ({ dims }: TensorRecord): Range => he(product(dims.slice(1)));
const inputFirst = ({ dims }: TensorRecord): Range => he(dims.at(-2) ?? 1);
const vectorOrWeight = (tensor: TensorRecord): Range => (tensor.dims.length === 2 ? outputFirst(tensor) : SMALL);

/** What an operator's input holds, by position. Operators that are not named take biases, embeddings and layer scales. */
const RANGES: Readonly<Record<string, readonly (((tensor: TensorRecord) => Range) | Range)[]>> = {
  BatchNormalization: [SMALL, NEAR_ONE, SMALL, SMALL, [0.5, 1.5]],
  LayerNormalization: [SMALL, NEAR_ONE, SMALL],
  Conv: [SMALL, outputFirst, SMALL],
  Gemm: [SMALL, outputFirst, SMALL],
  MatMul: [inputFirst, inputFirst],
  Transpose: [vectorOrWeight],
};

/** The range of every value by the first operator that takes it. */
function rangeFinder(graph: GraphRecord): (tensor: TensorRecord) => Range {
  const uses = new Map<string, readonly [op: string, slot: number]>();
  for (const { opType, inputs } of graph.nodes) {
    inputs.forEach((name, slot) => {
      if (!uses.has(name)) uses.set(name, [opType, slot]);
    });
  }
  return (tensor) => {
    const [op, slot] = uses.get(tensor.name) ?? ['', 0];
    const range = RANGES[op]?.[slot] ?? SMALL;
    return typeof range === 'function' ? range(tensor) : range;
  };
}

/** float32 values low + (high - low) u with u of 32 bits, from the stream (seed, name). */
function fill(out: Float32Array, seed: number, name: string, [low, high]: Range): void {
  const stream = random(seed, name);
  const step = (high - low) / 2 ** 32;
  for (let i = 0; i < out.length; i++) out[i] = low + step * stream.uint32();
}

export interface SeededModel {
  /** A model whose weights are external data; small. */
  readonly model: Uint8Array;
  /** The weights, as sessions take them. */
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/**
 * A torchvision graph with seeded weights: linear and convolution weights by He, scales in [.8, 1.2), running variances in
 * [.5, 1.5), all else in [-.1, .1). Every tensor depends on the seed and its own name alone, so graphs that share names
 * share weights, and a file is the same on every platform.
 */
export function seededModel(graph: string, seed = 0): SeededModel {
  const model = readFileSync(`${TORCHVISION}/${graph}.onnx`);
  const { record } = modelFromBytes(model);
  const rangeOf = rangeFinder(record.graph);
  const placed = record.graph.initializers.flatMap((tensor) =>
    tensor.payload.kind === 'external' ? [{ tensor, offset: tensor.payload.offset }] : [],
  );
  const values = placed.reduce((sum, { tensor }) => sum + product(tensor.dims), 0);
  const data = new Float32Array(values);
  for (const { tensor, offset } of placed) {
    fill(new Float32Array(data.buffer, offset, product(tensor.dims)), seed, tensor.name, rangeOf(tensor));
  }
  return { model, externalData: [{ path: 'seeded', data: new Uint8Array(data.buffer) }] };
}

/** The same model as one file with its weights inside. */
export function seededFile(graph: string, seed = 0): Uint8Array {
  const { model: bytes, externalData } = seededModel(graph, seed);
  const model = modelFromBytes(bytes);
  const data = externalData[0]?.data as Uint8Array;
  return applyEdits(
    model,
    model.record.graph.initializers.flatMap((tensor) => {
      const { payload } = tensor;
      if (payload.kind !== 'external') return [];
      return replaceInline(tensor, data.subarray(payload.offset, payload.offset + (payload.length as number)));
    }),
  );
}
