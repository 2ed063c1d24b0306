/** Models of BatchNormalization layers, and their recalibration as the command does it, without the command. */
import assert from 'node:assert/strict';
import ort from 'onnxruntime-node';
import {
  type EstimatorName,
  findLayers,
  type LayerReport,
  type MeasuredLayer,
  type NumberedBatch,
  recalibrateByBatch,
  recalibrated,
  recalibrateSequentially,
  unfold,
} from '../../src/batchnorm/index.ts';
import { type Model, nextStepKey, openModel, type WrittenModel, writeEdited } from '../../src/onnx/index.ts';
import type { Tensor } from '../../src/runtime/index.ts';
import { node, type TestModel, type TestTensor, tensor, valueInfo } from './model-builder.ts';
import { seeded } from './random.ts';

/** Values of about the normal law (Irwin-Hall of 12), times sd, plus mean. */
export function normals(seed: number, count: number, mean = 0, sd = 1): number[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random();
    return mean + sd * sum;
  });
}

/** Images as the network takes them: [N, ...]; channel c has mean 3c - 2 and standard deviation 1 + c. */
export function imagesOf(seed: number, dims: readonly number[]): Tensor {
  const [, channels = 1, ...rest] = dims;
  const positions = rest.reduce((product, size) => product * size, 1);
  const count = dims.reduce((product, size) => product * size, 1);
  const values = normals(seed, count).map((value, i) => {
    const c = Math.floor(i / positions) % channels;
    return 3 * c - 2 + (1 + c) * value;
  });
  return { type: 'float32', dims, data: Float32Array.from(values) };
}

/** A tensor's rows [from, to) along its first dim. */
function rowsOf({ type, dims, data }: Tensor, from: number, to: number): Tensor {
  const row = data.length / (dims[0] as number);
  return { type, dims: [to - from, ...dims.slice(1)], data: data.slice(from * row, to * row) };
}

/** Batches of a size, or cut at the places given. */
export function* batchesOf(images: Tensor, cut: number | readonly number[]): Generator<NumberedBatch> {
  const n = images.dims[0] as number;
  const ends =
    typeof cut === 'number'
      ? Array.from({ length: Math.ceil(n / cut) }, (_, i) => Math.min(n, (i + 1) * cut))
      : [...cut, n];
  let from = 0;
  for (const [batch, to] of ends.entries()) {
    yield { batch, images: rowsOf(images, from, to) };
    from = to;
  }
}

export interface Recalibration {
  readonly batch?: number | readonly number[];
  readonly estimator?: EstimatorName;
  readonly method?: 'batch' | 'sequential';
  readonly prior?: number;
}

async function measured(model: Model, images: Tensor, options: Recalibration): Promise<readonly MeasuredLayer[]> {
  const { model: copy, layers } = unfold(model, { kept: findLayers(model).layers, folded: [] });
  const collect = {
    device: 'cpu' as const,
    threads: 1,
    async *batches() {
      yield* batchesOf(images, options.batch ?? 8);
    },
  };
  const found =
    options.method === 'sequential'
      ? await recalibrateSequentially(copy, layers, collect)
      : await recalibrateByBatch(copy, layers, options.estimator ?? 'population', collect);
  return found.measured;
}

export async function measureFile(
  path: string,
  images: Tensor,
  options: Recalibration = {},
): Promise<readonly MeasuredLayer[]> {
  const model = openModel(path);
  try {
    return await measured(model, images, options);
  } finally {
    model.close();
  }
}

/** Recalibrates a file into another. */
export async function recalibrateFile(
  path: string,
  out: string,
  images: Tensor,
  options: Recalibration = {},
): Promise<{ written: WrittenModel; reports: readonly LayerReport[]; measured: readonly MeasuredLayer[] }> {
  const model = openModel(path);
  try {
    const layers = await measured(model, images, options);
    const { reports, edits, inline } = recalibrated(model, layers, options.prior ?? 0, images.dims[0] as number);
    const metadata = { key: nextStepKey(model.record), value: '{}' };
    return {
      written: writeEdited(model, edits, { path: out, force: false, inline, metadata }),
      reports,
      measured: layers,
    };
  } finally {
    model.close();
  }
}

/** The stored parameters of a layer of C channels: far from what any data has. */
export function parametersOf(name: string, channels: number, type: TestTensor['type'] = 'float32'): TestTensor[] {
  const values = (offset: number) => Array.from({ length: channels }, (_, c) => offset + c / 2);
  return [
    { name: `${name}.weight`, dims: [channels], values: values(0.5), type },
    { name: `${name}.bias`, dims: [channels], values: values(-1), type },
    { name: `${name}.running_mean`, dims: [channels], values: values(7), type },
    { name: `${name}.running_var`, dims: [channels], values: values(40), type },
  ];
}

export const PARAMETER_SUFFIXES = ['weight', 'bias', 'running_mean', 'running_var'] as const;

export const bnNode = (name: string, input: string, output: string, use: (parameter: string) => string = (p) => p) =>
  node('BatchNormalization', [input, ...PARAMETER_SUFFIXES.map((suffix) => use(`${name}.${suffix}`))], [output], {
    epsilon: { float: 1e-4 },
  });

/** x -> BatchNormalization -> y, the output being the layer's own. */
export function oneLayer(dims: readonly (number | string)[], more: Partial<TestModel> = {}): TestModel {
  return {
    nodes: [bnNode('bn', 'x', 'y')],
    initializers: parametersOf('bn', dims[1] as number).map((item) => tensor(item)),
    inputs: [valueInfo('x', dims)],
    outputs: [valueInfo('y', dims)],
    ...more,
  };
}

/** What a layer should give: per channel the mean is the bias, and the variance the square of the scale. */
export interface Normalised {
  readonly output: string;
  readonly scale: readonly number[];
  readonly bias: readonly number[];
}

/** Mean and biased variance of each channel of [N, C, ...], in float64. */
export function channelMoments(
  values: ArrayLike<number>,
  dims: readonly number[],
): { mean: number[]; variance: number[] } {
  const [n = 0, channels = 0, ...rest] = dims;
  const positions = rest.reduce((product, size) => product * size, 1);
  const mean = new Array<number>(channels).fill(0);
  const variance = new Array<number>(channels).fill(0);
  const each = (use: (value: number, c: number) => void): void => {
    for (let i = 0; i < n * channels * positions; i++) use(values[i] as number, Math.floor(i / positions) % channels);
  };
  each((value, c) => {
    mean[c] = (mean[c] as number) + value / (n * positions);
  });
  each((value, c) => {
    variance[c] = (variance[c] as number) + (value - (mean[c] as number)) ** 2 / (n * positions);
  });
  return { mean, variance };
}

/** All outputs of a model by onnxruntime, unoptimised, as numbers. */
async function outputsOf(
  path: string,
  images: Tensor,
): Promise<Record<string, { values: number[]; dims: readonly number[] }>> {
  const session = await ort.InferenceSession.create(path, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  });
  try {
    const feed = new ort.Tensor('float32', Float32Array.from(images.data as Float32Array), images.dims);
    const results = await session.run({ [session.inputNames[0] ?? '']: feed });
    return Object.fromEntries(
      Object.entries(results).map(([name, { data, dims }]) => [
        name,
        { values: Array.from(data as Float32Array), dims },
      ]),
    );
  } finally {
    await session.release();
  }
}

/** Asserts, by a run in onnxruntime, that layers normalise these images. */
export async function assertNormalised(
  path: string,
  images: Tensor,
  layers: readonly Normalised[],
  tolerance = 3e-3,
): Promise<void> {
  const outputs = await outputsOf(path, images);
  for (const { output, scale, bias } of layers) {
    const { values, dims } = outputs[output] ?? assert.fail(`${path}: no output ${output}`);
    const { mean, variance } = channelMoments(values, dims);
    for (const [c, factor] of scale.entries()) {
      const [shift, ratio] = [(mean[c] as number) - (bias[c] as number), (variance[c] as number) / factor ** 2];
      assert.ok(Math.abs(shift) < tolerance * factor, `${output} channel ${c}: mean off by ${shift}`);
      assert.ok(Math.abs(ratio - 1) < tolerance, `${output} channel ${c}: variance ${ratio} times the scale's square`);
    }
  }
}
