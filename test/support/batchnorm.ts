/** Models of BatchNormalization layers, and their recalibration as the command does it, without the command. */
import { recalibrated } from '../../cli/support/recalibration.ts';
import {
  type EstimatorName,
  findLayers,
  type LayerReport,
  type MeasuredLayer,
  type NumberedBatch,
  recalibrateByBatch,
  recalibrateSequentially,
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
  const { layers } = findLayers(model);
  const collect = {
    device: 'cpu' as const,
    threads: 1,
    async *batches() {
      yield* batchesOf(images, options.batch ?? 8);
    },
  };
  const found =
    options.method === 'sequential'
      ? await recalibrateSequentially(model, layers, collect)
      : await recalibrateByBatch(model, layers, options.estimator ?? 'population', collect);
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
    epsilon: { float: 1e-3 },
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
