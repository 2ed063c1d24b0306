import { type Control, noteOnce } from '../core/index.ts';
import { type ChosenData, openData, selectRows } from '../data/index.ts';
import type { Model } from '../onnx/index.ts';
import { batchOf, DEFAULT_BATCH, workersOf } from '../runtime/index.ts';
import { declaredInputs, modelInput, transformsFor } from '../signature/index.ts';
import type { BatchNormLayer } from './find-layers.ts';
import { takesAnyBatch } from './free-batch.ts';
import type { JobImages } from './job-images.ts';
import { DEFAULT_SAMPLES, type RecalibrateOptions } from './job-options.ts';

const FEW_SAMPLES = 1000;
/** Below, layers that a batch normalises by itself are biased by a percent and more. */
const SMALL_BATCH = 8;

export type ImageOptions = Pick<
  RecalibrateOptions,
  | ('data' | 'transform' | 'views' | 'samples' | 'seed' | 'method' | 'onBadImage')
  | ('batch' | 'workers' | 'input' | 'device' | 'threads')
>;

/** At most so many of the rows, by the seed; a larger choice contains a smaller one. */
function chooseRows({ dataset, rows }: ChosenData, samples: number, seed: number): Uint32Array {
  if (rows.length <= samples) return rows;
  const at = (i: number): number => rows[i] as number;
  const table = {
    length: rows.length,
    labelled: false,
    sample: (i: number) => ({ key: dataset.sample(at(i)).key }),
  };
  return selectRows(table, { limit: samples, seed }).map(at);
}

/** Batches of a file that is fixed to few images: larger ones, where a copy that takes any batch gives the same. */
async function batchBeyond(
  own: number,
  model: Model,
  layers: readonly BatchNormLayer[],
  images: JobImages,
  options: ImageOptions,
): Promise<number> {
  const fixed = `${model.path}: is fixed to batches of ${own}`;
  if (!(await takesAnyBatch(model, layers, { ...images, batch: own }, options))) {
    images.note(`${fixed}, and a copy that takes any batch does not give the same: batches of ${own} are used`);
    return own;
  }
  images.note(
    `${fixed}; a copy that takes any batch gives the same, and is measured in batches of ${DEFAULT_BATCH} (\`batch\` ${own} keeps to the file's)`,
  );
  return DEFAULT_BATCH;
}

/**
 * The images that the options choose, and how they are shown to the model. The data set is open: the caller closes it.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_INPUT
 */
export async function openImages(
  model: Model,
  layers: readonly BatchNormLayer[],
  options: ImageOptions,
  { note, signal }: Control,
): Promise<JobImages> {
  const { data, samples = DEFAULT_SAMPLES, seed = 0, views } = options;
  const all = await openData({ ...data, seed: data.seed ?? seed }, { labelled: false });
  try {
    const { dataset } = all;
    const declared = declaredInputs(model);
    const own = modelInput(declared, options.input).batch;
    const rows = chooseRows(all, samples, seed);
    if (rows.length < FEW_SAMPLES)
      note(`${rows.length} images are few: from about 1000 on the statistics are near their best`);
    const [transform] = transformsFor([declared], all, options, note);
    const images: JobImages = {
      dataset,
      rows,
      transform,
      views: views && { ...views, seed },
      batch: batchOf(options, [own]),
      workers: workersOf(options),
      onBadImage: options.onBadImage ?? 'fail',
      note: noteOnce(note),
      signal,
    };
    const isSmall = options.batch === undefined && own !== undefined && own < SMALL_BATCH;
    const batch = isSmall ? await batchBeyond(own, model, layers, images, options) : images.batch;
    if (batch < SMALL_BATCH && options.method !== 'sequential')
      note(
        `batches of ${batch} bias the deeper layers; use ${SMALL_BATCH} or more, better 32, or \`method\` sequential`,
      );
    return { ...images, batch };
  } catch (error) {
    await all.dataset.close();
    throw error;
  }
}
