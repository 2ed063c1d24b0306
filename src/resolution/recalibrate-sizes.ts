import { layerFolds, openMoments, recalibrated, type Unfolded } from '../batchnorm/index.ts';
import { TemperError } from '../core/index.ts';
import { applyEdits, type Model } from '../onnx/index.ts';
import { type Device, readAhead, type Tensor } from '../runtime/index.ts';

/** Batches decoded while one runs. */
const AHEAD = 2;

/** One model, and which of a batch's images it is recalibrated on: once per size. */
export interface SizeJob {
  readonly model: Model;
  /** The copy that is measured, and its layers; jobs that share it share a session. */
  readonly measured: Unfolded;
  /** Index among the images of a batch. */
  readonly images: number;
}

export interface RecalibrateSizesOptions {
  readonly device: Device;
  readonly threads?: number | undefined;
  /** The images, once per transform; one pass serves all jobs. */
  readonly batches: AsyncIterable<readonly Tensor[]>;
  readonly onProgress?: ((images: number) => void) | undefined;
  /** Told of models whose statistics may be folded into scale and bias. */
  readonly note?: ((text: string) => void) | undefined;
}

/** A job's model with new statistics, as bytes; or why there is none. */
export type SizedModel = { readonly bytes: Uint8Array } | { readonly failed: TemperError };

/**
 * Recalibrates models at several sizes in one pass over the images: population statistics, every layer batch-normalised (as
 * bn-recal's default). A job that fails is reported at its place, and ends no other.
 *
 * Memory: one moments session per model, two batches at all sizes, and a copy of the model file per job in the end.
 * @throws TemperError EXECUTION_*; what the batches throw
 */
export async function recalibrateSizes(
  jobs: readonly SizeJob[],
  options: RecalibrateSizesOptions,
): Promise<SizedModel[]> {
  const sessions = new Map<Unfolded, Awaited<ReturnType<typeof openMoments>>>();
  const states = jobs.map(({ measured }) => ({
    folds: layerFolds(measured.layers, 'population'),
    failed: undefined as TemperError | undefined,
  }));
  const attempt = async <T>(i: number, work: () => Promise<T>): Promise<T | undefined> => {
    const state = states[i] as (typeof states)[number];
    try {
      if (!state.failed) return await work();
    } catch (error) {
      if (!(error instanceof TemperError)) throw error;
      state.failed = error;
    }
    return undefined;
  };
  try {
    const { device, threads } = options;
    for (const measured of new Set(jobs.map((job) => job.measured))) {
      const { model, layers } = measured;
      sessions.set(measured, await openMoments(model, layers, { device, threads, batchNormalised: true }));
    }
    let [number, done] = [0, 0];
    for await (const batch of readAhead(options.batches, AHEAD)) {
      const at = number++;
      for (const [i, { measured, images }] of jobs.entries()) {
        const tensor = batch[images] as Tensor;
        // The last job that takes a tensor takes it over.
        const last = jobs.findLastIndex((job) => job.images === images) === i;
        const own = last ? tensor : { ...tensor, data: tensor.data.slice() };
        const session = sessions.get(measured);
        const moments = await attempt(i, async () => session?.run({ batch: at, images: own }));
        if (moments) states[i]?.folds.add(moments);
      }
      done += batch[0]?.dims[0] ?? 0;
      options.onProgress?.(done);
    }
  } finally {
    await Promise.all([...sessions.values()].map((session) => session.close()));
  }
  return Promise.all(
    jobs.map(async ({ model }, i): Promise<SizedModel> => {
      const state = states[i] as (typeof states)[number];
      const edits = await attempt(i, async () => recalibrated(model, state.folds.measured(), 0, 0).edits);
      return edits ? { bytes: applyEdits(model, edits) } : { failed: state.failed as TemperError };
    }),
  );
}
