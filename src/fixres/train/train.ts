import { TemperError } from '../../core/index.ts';
import { type Device, openSession, type Session, type Tensor, type Tensors } from '../../runtime/index.ts';
import type { Cut, Tail } from '../cut/cut.ts';
import {
  assertDifferentiable,
  parameterDims,
  parameterNames,
  probeGraph,
  type Shapes,
  TARGETS,
  type TrainingGraph,
  trainingGraph,
} from '../gradient/training-graph.ts';
import type { FeatureCache } from './feature-cache.ts';
import { epochOrder } from './order.ts';
import { rateOf, type Schedule, type Slot, sgdStep, updateRunning } from './sgd.ts';
import type { Targets } from './targets.ts';

export interface TrainOptions {
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly schedule: Schedule;
  /** Absent: the order of the data. */
  readonly shuffle: { readonly seed: number } | undefined;
  /** Divides the scores before the softmax; 1 for labels. */
  readonly temperature: number;
  readonly device: Device;
  readonly threads?: number | undefined;
}

/** Everything that training changes, and how far it is. */
export interface TrainState {
  /** Every parameter of the tail by name, float32: weights, and the layer's scale, bias, mean and variance. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** Momentum of what is trained. */
  readonly velocities: ReadonlyMap<string, Float32Array>;
  /** Epochs that are done. */
  epochs: number;
}

export interface EpochRecord {
  readonly epoch: number;
  readonly lr: number;
  /** Mean over the images, in float64 of float32 losses, before each step. */
  readonly train_loss: number;
}

/** Parameters that a mode trains by gradients. */
function trainedParameters({ mode, tail }: Cut): string[] {
  if (mode === 'stats') return [];
  const classifier = tail.classifier.map(({ name }) => name);
  return mode === 'affine' && tail.norm ? [...classifier, tail.norm.scale, tail.norm.bias] : classifier;
}

const normalisesByBatch = ({ mode }: Cut): boolean => mode === 'paper' || mode === 'affine';

/** Refuses what cannot be trained, before any image is run. @throws TemperError UNSUPPORTED_GRAPH by operator */
export function assertTrainable(cut: Cut): void {
  assertDifferentiable(cut.tail, trainedParameters(cut), normalisesByBatch(cut));
}

function constantFloats(tail: Tail, name: string): Float32Array {
  const tensor = tail.constants.find((constant) => constant.name === name);
  if (!tensor) throw new Error(`no constant ${name}`);
  return new Float32Array(tensor.bytes.slice().buffer as ArrayBuffer);
}

/** The state before the first step: the values of the file. */
export function initialState(cut: Cut): TrainState {
  const { tail } = cut;
  const weights = new Map(tail.classifier.map(({ name, values }) => [name, values]));
  const parameters = new Map(
    parameterNames(tail).map((name) => [name, (weights.get(name) ?? constantFloats(tail, name)).slice()]),
  );
  const velocities = new Map(
    trainedParameters(cut).map((name) => [name, new Float32Array((parameters.get(name) as Float32Array).length)]),
  );
  return { parameters, velocities, epochs: 0 };
}

/** Parameters as tensors that a session may take over. */
export function parameterTensors(
  tail: Tail,
  { parameters }: Pick<TrainState, 'parameters'>,
  names: readonly string[],
): Tensors {
  const dims = parameterDims(tail);
  return Object.fromEntries(
    names.map((name): [string, Tensor] => [
      name,
      { type: 'float32', dims: dims.get(name) ?? [], data: (parameters.get(name) as Float32Array).slice() },
    ]),
  );
}

const sessionOptions = ({ device, threads }: Pick<TrainOptions, 'device' | 'threads'>, label: string) => ({
  device,
  label,
  ...(threads === undefined ? {} : { threads }),
});

/** Sizes of every value of the tail, from a run of two rows. */
async function measureShapes(
  tail: Tail,
  cache: FeatureCache,
  state: TrainState,
  batch: boolean,
  options: Pick<TrainOptions, 'device' | 'threads'>,
): Promise<Shapes> {
  const probe = probeGraph(tail, cache.dims, batch);
  const session = await openSession({ model: probe.model, ...sessionOptions(options, 'the tail') });
  try {
    const rows = Array.from({ length: Math.min(2, cache.rows) }, (_, row) => row);
    const all = cache.gather(rows);
    const features = Object.fromEntries(tail.inputs.map((name) => [name, all[name] as Tensor]));
    const shapes = new Map<string, readonly number[]>(Object.entries(features).map(([name, { dims }]) => [name, dims]));
    const wanted = session.inputs.map(({ name }) => name);
    const parameters = parameterNames(tail).filter((name) => wanted.includes(name));
    const { outputs } = await session.run({ ...features, ...parameterTensors(tail, state, parameters) });
    for (const [name, { dims }] of Object.entries(outputs)) shapes.set(name, dims);
    return shapes;
  } finally {
    await session.close();
  }
}

/** Values of each channel of the layer's input in a batch. */
function valuesPerChannel(cache: FeatureCache, { norm }: Tail, rows: number): number {
  const [, ...positions] = cache.dims.get(norm?.input ?? '') ?? [];
  return positions.reduce((product, size) => product * size, rows);
}

interface Step {
  readonly rows: number;
  readonly feeds: Tensors;
}

function targetTensor(targets: Targets, rows: Uint32Array): Tensor {
  const { classes } = targets;
  const data = new Float32Array(rows.length * classes);
  for (const [i, row] of rows.entries()) targets.fill(row, data.subarray(i * classes, (i + 1) * classes));
  return { type: 'float32', dims: [rows.length, classes], data };
}

/** What a step is fed besides the parameters. */
function prepareStep(graph: TrainingGraph, cache: FeatureCache, targets: Targets | undefined, rows: Uint32Array): Step {
  return {
    rows: rows.length,
    feeds: {
      ...cache.gather(rows),
      ...(targets ? { [TARGETS]: targetTensor(targets, rows) } : {}),
      [graph.share]: { type: 'float32', dims: [], data: Float32Array.of(1 / rows.length) },
    },
  };
}

function assertFinite(loss: number, epoch: number, step: number): void {
  if (Number.isFinite(loss)) return;
  throw new TemperError('NUMERIC_NONFINITE', `epoch ${epoch + 1}, batch ${step}: the loss is ${loss}`, {
    hint: 'Lower `lr`; if the first batch has it, check the weights (avg-ckpt diagnose) and the normalisation of the input.',
    details: { epoch: epoch + 1, batch: step },
  });
}

/** Where the views of an image lie in the cache: all images of a view together, or all views of an image. */
export interface CachedViews {
  readonly count: number;
  readonly order: 'by-view' | 'by-image';
}

/** Trains the tail of a model on cached features. */
export interface Trainer {
  /** One pass over the images; the state is changed in place. @throws TemperError EXECUTION_*, NUMERIC_NONFINITE */
  epoch(state: TrainState, signal?: AbortSignal): Promise<EpochRecord>;
  close(): Promise<void>;
}

/**
 * Opens a session with the graph of a training step. Batches are cut from the order of the epoch, the last may be short;
 * epoch e sees view e mod V of each image.
 * @param targets absent: the cache holds them ({@link TARGETS})
 * @throws TemperError UNSUPPORTED_GRAPH for an operator without a gradient; INPUT_TOO_FEW; EXECUTION_*
 */
export async function openTrainer(
  cut: Cut,
  cache: FeatureCache,
  views: CachedViews,
  targets: Targets | undefined,
  state: TrainState,
  options: TrainOptions,
): Promise<Trainer> {
  const { tail } = cut;
  const batchNormalised = normalisesByBatch(cut);
  const images = cache.rows / views.count;
  const last = images % options.batch || options.batch;
  if (batchNormalised && valuesPerChannel(cache, tail, Math.min(last, images)) < 2) {
    throw new TemperError('INPUT_TOO_FEW', `a batch of ${last} image has one value a channel: it has no variance`, {
      hint: 'Choose a `batch` that does not leave one image over.',
    });
  }
  const trained = trainedParameters(cut);
  const shapes = await measureShapes(tail, cache, state, batchNormalised, options);
  const graph = trainingGraph(tail, cache.dims, shapes, {
    trained,
    batch: batchNormalised,
    temperature: options.temperature,
  });
  const session: Session = await openSession({ model: graph.model, ...sessionOptions(options, 'the training step') });

  const apply = (state: TrainState, outputs: Tensors, rows: number, lr: number): void => {
    for (const name of trained) {
      const slot: Slot = {
        values: state.parameters.get(name) as Float32Array,
        velocity: state.velocities.get(name) as Float32Array,
      };
      const gradient = outputs[graph.gradients.get(name) as string]?.data as Float32Array;
      sgdStep(slot, gradient, { lr, momentum: options.momentum, weightDecay: options.weightDecay });
    }
    const { norm } = tail;
    if (!graph.moments || !norm) return;
    const n = valuesPerChannel(cache, tail, rows);
    const moment = (name: string): Float32Array => outputs[name]?.data as Float32Array;
    updateRunning(state.parameters.get(norm.mean) as Float32Array, moment(graph.moments.mean));
    updateRunning(state.parameters.get(norm.variance) as Float32Array, moment(graph.moments.variance), n / (n - 1));
  };

  return {
    async epoch(state, signal) {
      const epoch = state.epochs;
      const lr = rateOf(options.schedule, options.lr, epoch, options.epochs);
      const view = epoch % views.count;
      const order = epochOrder(images, epoch, options.shuffle).map((image) =>
        views.order === 'by-view' ? view * images + image : image * views.count + view,
      );
      const batches = Math.ceil(images / options.batch);
      const prepare = (b: number): Step =>
        prepareStep(graph, cache, targets, order.subarray(b * options.batch, (b + 1) * options.batch));
      let next = prepare(0);
      let sum = 0;
      for (let b = 0; b < batches; b++) {
        signal?.throwIfAborted();
        const step = next;
        const running = session.run({ ...step.feeds, ...parameterTensors(tail, state, graph.parameters) });
        // While the step runs: all that does not depend on its result.
        if (b + 1 < batches) next = prepare(b + 1);
        const { outputs } = await running;
        const losses = outputs[graph.losses]?.data as Float32Array;
        const loss = losses.reduce((total, value) => total + value, 0);
        assertFinite(loss, epoch, b);
        sum += loss;
        apply(state, outputs, step.rows, lr);
      }
      state.epochs = epoch + 1;
      return { epoch: epoch + 1, lr, train_loss: sum / images };
    },
    close: () => session.close(),
  };
}
