import type { Ran } from '../../batchnorm/index.ts';
import { TemperError } from '../../core/index.ts';
import { type Model, sessionModel } from '../../onnx/index.ts';
import { type Device, openSession, runBatches, type Tensor } from '../../runtime/index.ts';
import { imageInput } from '../../signature/index.ts';
import { backboneGraph } from '../cut/backbone-graph.ts';
import { TARGETS } from '../gradient/training-graph.ts';
import { type FeatureCache, type FeatureCacheOptions, featureCache } from './feature-cache.ts';

/** Images ready for the network. */
export interface ImageBatch {
  readonly images: Tensor;
  /** Absent where there are none. */
  readonly labels: Int32Array | undefined;
  readonly keys: readonly string[];
  /** Rows of the data set. */
  readonly rows?: Uint32Array | undefined;
  /** The view, where views follow each other. */
  readonly view?: number | undefined;
  /** [N, classes]: distributions, where they are not made of labels. */
  readonly targets?: Tensor | undefined;
}

export interface CollectOptions {
  readonly device: Device;
  readonly threads?: number | undefined;
  /** The image input, where a model has several. */
  readonly input?: string | undefined;
  readonly batches: AsyncIterable<ImageBatch>;
  /** A worker may have nothing to do. @default false */
  readonly mayBeEmpty?: boolean | undefined;
  readonly onProgress?: ((images: number) => void) | undefined;
}

export interface Features {
  readonly cache: FeatureCache;
  readonly labels: Int32Array | undefined;
  readonly keys: readonly string[];
  readonly ran: Ran;
}

/** What is trained on. */
export type TrainingFeatures = Omit<Features, 'keys'>;

/** Runs the nodes before the cut over batches, and hands on what crosses it. @throws TemperError EXECUTION_* */
export async function runBackbone(
  model: Model,
  values: readonly string[],
  { device, threads, input, batches, mayBeEmpty = false, onProgress }: CollectOptions,
  take: (outputs: Readonly<Record<string, Tensor>>, rows: number, batch: ImageBatch) => void,
): Promise<Ran> {
  const session = await openSession({
    ...sessionModel(model, backboneGraph(model, values)),
    device,
    label: model.path,
    ...(threads === undefined ? {} : { threads }),
  });
  try {
    const stage = { session, input: imageInput(session, input), fetches: values, images: 0 };
    const ready = (async function* () {
      for await (const batch of batches) yield { images: [batch.images], meta: batch };
    })();
    let images = 0;
    for await (const { outputs, rows, meta } of runBatches([stage], ready)) {
      take(outputs[0] ?? {}, rows, meta);
      images += rows;
      onProgress?.(images);
    }
    if (images === 0 && !mayBeEmpty) {
      throw new TemperError('INPUT_TOO_FEW', 'no image to train on', {
        hint: 'Check `train`, `train.rows` and `train.limit`.',
      });
    }
    return { images, provider: session.provider, onnxruntime: session.ortVersion };
  } finally {
    await session.close();
  }
}

/**
 * Runs everything before the cut once per image and view, and keeps what crosses it.
 * @param cache its names: those of the cut, and {@link TARGETS} where batches bring targets
 */
export async function collectFeatures(
  model: Model,
  cache: FeatureCacheOptions,
  options: CollectOptions,
  onBatch: (batch: ImageBatch) => void = () => undefined,
): Promise<Features> {
  const features = featureCache(cache);
  const labels: number[] = [];
  const keys: string[] = [];
  let labelled = true;
  try {
    const values = cache.names.filter((name) => name !== TARGETS);
    const ran = await runBackbone(model, values, options, (outputs, rows, batch) => {
      features.append(batch.targets ? { ...outputs, [TARGETS]: batch.targets } : outputs, rows);
      onBatch(batch);
      keys.push(...batch.keys);
      if (batch.labels) labels.push(...batch.labels);
      else labelled = false;
    });
    return { cache: features, labels: labelled ? Int32Array.from(labels) : undefined, keys, ran };
  } catch (error) {
    features.close();
    throw error;
  }
}
