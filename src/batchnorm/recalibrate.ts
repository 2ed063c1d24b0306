import type { Model } from '../onnx/index.ts';
import { type Device, openSession, type Provider, readAhead } from '../runtime/index.ts';
import { type BatchMoments, momentsOfBatch, type NumberedBatch } from './collect-moments.ts';
import { type EstimatorName, estimator } from './estimators.ts';
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

/**
 * One pass: the batch moments of layers' inputs, batch by batch. Every layer before normalises with the moments of the
 * batch (as in training), or with frozen statistics.
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
  const graph = momentsGraph(model, { layers, batchNormalised: options.batchNormalised, frozen: options.frozen ?? [] });
  const session = await openSession({
    model: graph.model,
    externalData: graph.externalData,
    device: options.device,
    label: model.path,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  try {
    let images = 0;
    for await (const batch of readAhead(options.batches(), AHEAD)) {
      const moments = await momentsOfBatch(session, graph, layers, batch);
      take(moments);
      images += moments.images;
      options.onProgress?.(images);
    }
    return { images, provider: session.provider, onnxruntime: session.ortVersion };
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

/** Folds batch moments in batch order. @throws TemperError INPUT_TOO_FEW */
export function measure(
  layers: readonly BatchNormLayer[],
  name: EstimatorName,
  batches: Iterable<BatchMoments>,
): MeasuredLayer[] {
  const fold = estimator(
    name,
    layers.map(({ channels }) => channels),
  );
  for (const batch of batches) fold.add(batch);
  return fold.result().map((found, i) => ({ layer: layers[i] as BatchNormLayer, ...found }));
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
  const fold = estimator(
    name,
    layers.map(({ channels }) => channels),
  );
  const ran = await collectMoments(model, layers, { ...options, batchNormalised: true }, (batch) => fold.add(batch));
  return { measured: fold.result().map((found, i) => ({ layer: layers[i] as BatchNormLayer, ...found })), ran };
}

/** A level that is done: its layers' statistics, which later levels build on. */
export interface LevelDone {
  readonly level: number;
  readonly measured: readonly MeasuredLayer[];
}

/**
 * `sequential`: exact population statistics, level by level. Level ℓ is measured with all earlier levels already
 * normalising by their new statistics, so that each pass gives final ones; passes = depth in BatchNormalization layers.
 * (Updating all levels at once in inference mode is wildly off until as many passes have run.)
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
  const done: MeasuredLayer[] = [];
  let ran: Ran | undefined;
  for (const level of levels) {
    const before = known.find((other) => other.level === level);
    if (before) {
      done.push(...before.measured);
      continue;
    }
    const here = layers.filter((layer) => layer.level === level);
    const fold = estimator(
      'population',
      here.map(({ channels }) => channels),
    );
    ran = await collectMoments(model, here, { ...options, batchNormalised: false, frozen: done }, (batch) =>
      fold.add(batch),
    );
    const measured = fold.result().map((found, i) => ({ layer: here[i] as BatchNormLayer, ...found }));
    onLevel({ level, measured }, ran);
    done.push(...measured);
  }
  const order = new Map(layers.map((layer, i) => [layer, i]));
  return { measured: done.sort((a, b) => (order.get(a.layer) as number) - (order.get(b.layer) as number)), ran };
}
