import { TemperError } from '../core/index.ts';
import { type Model, sessionModel } from '../onnx/index.ts';
import { type Device, openSession, type Provider, readAhead } from '../runtime/index.ts';
import { type BatchMoments, momentsOfBatch, type NumberedBatch } from './collect-moments.ts';
import { type Estimated, type EstimatorName, estimator, pooled } from './estimators.ts';
import type { BatchNormLayer } from './find-layers.ts';
import { type FrozenStatistics, momentsGraph } from './moments-graph.ts';
import type { Statistics } from './statistics.ts';

/** Batches decoded while one runs. */
const AHEAD = 2;

export interface CollectOptions {
  readonly device: Device;
  readonly threads?: number | undefined;
  /** Starts a pass over the data. */
  readonly batches: () => AsyncIterable<NumberedBatch>;
  readonly onProgress?: ((images: number) => void) | undefined;
}

export interface Ran {
  /** Images of one pass; each view counts. */
  readonly images: number;
  readonly provider: Provider;
  readonly onnxruntime: string;
}

/** A session that returns the batch moments of layers' inputs. */
export interface MomentsSession {
  readonly provider: Provider;
  readonly onnxruntime: string;
  /** @throws TemperError EXECUTION_*, NUMERIC_NONFINITE with layer and batch */
  run(batch: NumberedBatch): Promise<BatchMoments>;
  close(): Promise<void>;
}

/**
 * Opens a session for batch moments: of any size of images that the graph takes. Every layer before normalises with the
 * moments of the batch (as in training), or with frozen statistics.
 * @throws TemperError EXECUTION_*
 */
export async function openMoments(
  model: Model,
  layers: readonly BatchNormLayer[],
  options: Pick<CollectOptions, 'device' | 'threads'> & {
    readonly frozen?: readonly FrozenStatistics[];
    readonly batchNormalised: boolean;
  },
): Promise<MomentsSession> {
  const graph = momentsGraph(model, { layers, batchNormalised: options.batchNormalised, frozen: options.frozen ?? [] });
  const session = await openSession({
    ...sessionModel(model, graph),
    device: options.device,
    label: model.path,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  return {
    provider: session.provider,
    onnxruntime: session.ortVersion,
    run: (batch) => momentsOfBatch(session, graph, layers, batch),
    close: () => session.close(),
  };
}

/**
 * One pass: the batch moments of layers' inputs, batch by batch, as {@link openMoments} measures them.
 *
 * Memory: three batches of images, and the activations of one.
 * @throws TemperError EXECUTION_*, NUMERIC_NONFINITE with layer and batch, and what the batches throw
 */
export async function collectMoments(
  model: Model,
  layers: readonly BatchNormLayer[],
  options: CollectOptions & { readonly frozen?: readonly FrozenStatistics[]; readonly batchNormalised: boolean },
  take: (batch: BatchMoments) => void,
): Promise<Ran> {
  const session = await openMoments(model, layers, options);
  try {
    let images = 0;
    for await (const batch of readAhead(options.batches(), AHEAD)) {
      const moments = await session.run(batch);
      take(moments);
      images += moments.images;
      options.onProgress?.(images);
    }
    return { images, provider: session.provider, onnxruntime: session.onnxruntime };
  } finally {
    await session.close();
  }
}

export interface MeasuredLayer {
  readonly layer: BatchNormLayer;
  readonly statistics: Statistics;
  /** Values per channel that it was measured from. */
  readonly count: number;
}

/** Statistics of layers, folded from the moments of batches as they come. */
export interface LayerFolds {
  add(batch: BatchMoments): void;
  /** @throws TemperError INPUT_TOO_FEW */
  measured(): MeasuredLayer[];
}

/** Folds batch moments, which must come in batch order. */
export function layerFolds(layers: readonly BatchNormLayer[], name: EstimatorName): LayerFolds {
  const fold = estimator(
    name,
    layers.map(({ channels }) => channels),
  );
  return {
    add: (batch) => fold.add(batch),
    measured() {
      const found = fold.result();
      return layers.map((layer, i) => {
        // Calls that share statistics have those of all of them.
        const same = layer.source && found.filter((_, k) => layers[k]?.source === layer.source);
        const own = same && same.length > 1 ? pooled(name, same) : (found[i] as Estimated);
        if (own.count === 0) throw neverRan(layer);
        return { layer, ...own };
      });
    },
  };
}

const neverRan = ({ name }: BatchNormLayer): TemperError =>
  new TemperError('INPUT_TOO_FEW', `${name}: the branch of If that it lies in was taken for no image`, {
    hint: 'Leave it out with `layers`, or give `data` that take the branch.',
    details: { layer: name },
  });

/** Folds batch moments in batch order. @throws TemperError INPUT_TOO_FEW */
export function measure(
  layers: readonly BatchNormLayer[],
  name: EstimatorName,
  batches: Iterable<BatchMoments>,
): MeasuredLayer[] {
  const folds = layerFolds(layers, name);
  for (const batch of batches) folds.add(batch);
  return folds.measured();
}

/**
 * `batch`: all layers in one pass, batch-normalised (fvcore, torch). Deep layers see what the earlier ones make of a batch
 * normalised by itself: within 0.1 % for batches of 32 or more (Wu and Johnson 2021, §3).
 */
export async function recalibrateByBatch(
  model: Model,
  layers: readonly BatchNormLayer[],
  name: EstimatorName,
  options: CollectOptions,
): Promise<{ measured: MeasuredLayer[]; ran: Ran }> {
  const folds = layerFolds(layers, name);
  const ran = await collectMoments(model, layers, { ...options, batchNormalised: true }, (batch) => folds.add(batch));
  return { measured: folds.measured(), ran };
}

/** A level that is done: its layers' statistics, which later levels build on. */
export interface LevelDone {
  readonly level: number;
  readonly measured: readonly MeasuredLayer[];
}

/** Statistics that are shared by layers at several depths depend on themselves: no order of levels makes them exact. */
function assertSameLevels({ path }: Model, layers: readonly BatchNormLayer[]): void {
  const levels = new Map<BatchNormLayer, number>();
  for (const { source, level } of layers) {
    if (source === undefined) continue;
    const other = levels.get(source) ?? level;
    levels.set(source, other);
    if (other === level) continue;
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${path}: ${source.name}: its statistics are shared by calls at depths ${other} and ${level}, of which each changes the other`,
      { hint: 'Use `method` batch.', details: { path, layer: source.name } },
    );
  }
}

/**
 * `sequential`: exact population statistics, level by level. Level ℓ is measured with all earlier levels already
 * normalising by their new statistics, so that each pass gives final ones; passes = depth in BatchNormalization layers.
 * (Updating all levels at once in inference mode is wildly off until as many passes have run.)
 * @throws TemperError UNSUPPORTED_GRAPH for statistics that calls of a function share at several depths
 * @param known levels of an earlier, interrupted run
 * @param onLevel called after each level that was measured: what it is given can be stored and passed as `known`
 */
export async function recalibrateSequentially(
  model: Model,
  layers: readonly BatchNormLayer[],
  options: CollectOptions,
  known: readonly LevelDone[] = [],
  onLevel: (done: LevelDone, ran: Ran) => void = () => {},
): Promise<{ measured: MeasuredLayer[]; ran: Ran | undefined }> {
  const levels = [...new Set(layers.map(({ level }) => level))].sort((a, b) => a - b);
  assertSameLevels(model, layers);
  const done: MeasuredLayer[] = [];
  let ran: Ran | undefined;
  for (const level of levels) {
    const before = known.find((other) => other.level === level);
    if (before) {
      done.push(...before.measured);
      continue;
    }
    const here = layers.filter((layer) => layer.level === level);
    const folds = layerFolds(here, 'population');
    ran = await collectMoments(model, here, { ...options, batchNormalised: false, frozen: done }, (batch) =>
      folds.add(batch),
    );
    const measured = folds.measured();
    onLevel({ level, measured }, ran);
    done.push(...measured);
  }
  const order = new Map(layers.map((layer, i) => [layer, i]));
  return { measured: done.sort((a, b) => (order.get(a.layer) as number) - (order.get(b.layer) as number)), ran };
}
