import { DEFAULT_SAMPLES, type JobImages, type NumberedBatch } from '../batchnorm/index.ts';
import { type Control, canonicalJson } from '../core/index.ts';
import {
  type ChosenData,
  type DataOptions,
  openData,
  rowsHash,
  type Size,
  splitRows,
  type Transform,
  transformHash,
} from '../data/index.ts';
import { type LabelledBatch, pictureNotes } from '../evaluate/index.ts';
import type { Model } from '../onnx/index.ts';
import { batchOf, workersOf } from '../runtime/index.ts';
import {
  assertLabels,
  declaredClasses,
  declaredInputs,
  modelInput,
  type TransformChoice,
  transformsFor,
} from '../signature/index.ts';
import { labelledReplay, numberedReplay } from './candidate-images.ts';
import type { CandidateOptions } from './candidate-options.ts';
import type { OpenedSnapshots } from './ingredients.ts';
import { DEFAULT_MEMORY_BYTES, memoryShares } from './memory-shares.ts';
import type { Replay } from './replay.ts';

/** Rows of `val` for one purpose. */
export interface ValPart {
  readonly name: string;
  readonly rows: Uint32Array;
}

/** One half chooses, the other reports. */
export function halves({ dataset, rows }: ChosenData, seed: number): readonly [ValPart, ValPart] {
  const { selection, report } = splitRows(dataset, rows, seed);
  return [
    { name: 'selection', rows: selection },
    { name: 'report', rows: report },
  ];
}

/** Nothing is chosen: all images report. */
export const undivided = ({ rows }: ChosenData): readonly [ValPart] => [{ name: 'evaluation', rows }];

type Settings = Readonly<Record<string, unknown>>;
/** One pass over labelled images for each part. */
type Passes<P extends readonly ValPart[]> = { readonly [K in keyof P]: Replay<LabelledBatch> };

/** What candidates were measured on. */
export interface MeasuredImages {
  readonly val: ChosenData;
  readonly transform: Transform | undefined;
  /** How they were asked to be shown. */
  readonly choice?: TransformChoice | undefined;
}

/** The images of candidates: parts of `val`, and `train`. */
export interface CandidateData<P extends readonly ValPart[]> extends MeasuredImages {
  /** In the order of the parts. */
  readonly parts: Passes<P>;
  readonly trainImages: Replay<NumberedBatch> | undefined;
  /** What is odd about the pictures of `val` and the transform; said as notes already. */
  readonly pictureNotes: readonly string[];
  /** What predictions depend on beside the model and the provider; what recalibration depends on. */
  readonly settings: Settings;
  readonly trainSettings: Settings | undefined;
}

interface OpenedSets {
  readonly val: ChosenData;
  readonly train: ChosenData | undefined;
}

/** How the images of one set are read. */
function jobImages(
  chosen: ChosenData,
  template: Model,
  options: CandidateOptions,
  { note, signal }: Control,
): JobImages {
  const declared = declaredInputs(template);
  const [transform] = transformsFor([declared], chosen, options, note);
  return {
    ...chosen,
    transform,
    views: undefined,
    batch: batchOf(options, [modelInput(declared, options.input).batch]),
    workers: workersOf(options),
    onBadImage: options.onBadImage ?? 'fail',
    note,
    signal,
  };
}

/** Reads what fits: the part that is used most first, then the images for statistics. */
async function readImages(
  parts: readonly ValPart[],
  labelled: JobImages,
  unlabelled: JobImages | undefined,
  limitBytes: number,
) {
  let left = limitBytes;
  const keep = <T extends Replay<unknown>>(made: T, what: string): T => {
    left -= made.bytes;
    if (!made.kept)
      labelled.note(`${what} do not fit in ${Math.floor(left)} bytes of \`memory\`: they are decoded for every pass`);
    return made;
  };
  const sources: Size[] = [];
  const read = async ({ name, rows }: ValPart) =>
    keep(await labelledReplay({ ...labelled, rows }, left, sources), `the images for ${name}`);
  const passes: Replay<LabelledBatch>[] = [];
  for (const part of parts.slice(0, 1)) passes.push(await read(part));
  const trainImages = unlabelled && keep(await numberedReplay(unlabelled, left), 'the images for statistics');
  for (const part of parts.slice(1)) passes.push(await read(part));
  const odd = labelled.transform ? pictureNotes(sources, [labelled.transform]) : [];
  for (const text of odd) labelled.note(text);
  return { passes, trainImages, pictureNotes: odd };
}

async function readSets<P extends readonly ValPart[]>(
  { val, train }: OpenedSets,
  template: Model,
  options: CandidateOptions,
  cut: (val: ChosenData, seed: number) => P,
  control: Control,
): Promise<CandidateData<P>> {
  const { seed = 0, views, memory = DEFAULT_MEMORY_BYTES } = options;
  const parts = cut(val, seed);
  const labelled = jobImages(val, template, options, control);
  const unlabelled = train && {
    ...jobImages(train, template, options, control),
    views: views && { ...views, seed },
  };
  const {
    passes,
    trainImages,
    pictureNotes: odd,
  } = await readImages(parts, labelled, unlabelled, memoryShares(memory).images);
  const { transform, batch } = labelled;
  return {
    val,
    parts: passes as Passes<P>,
    trainImages,
    transform,
    pictureNotes: odd,
    choice: options.transform,
    settings: {
      data_table_sha256: val.dataset.tableHash(),
      ...Object.fromEntries(parts.map(({ name, rows }) => [`${name}_rows_sha256`, rowsHash(rows)])),
      inputs_sha256: passes[0]?.sha256,
      transform_sha256: transform ? transformHash(transform) : null,
      batch_size: batch,
    },
    trainSettings: unlabelled && {
      data_table_sha256: unlabelled.dataset.tableHash(),
      rows_sha256: rowsHash(unlabelled.rows),
      inputs_sha256: trainImages?.sha256,
      views: canonicalJson(unlabelled.views ?? null),
      batch_size: batch,
    },
  };
}

/** Options of a job that measures. */
export interface MeasuringOptions extends CandidateOptions {
  readonly val: DataOptions;
}

/**
 * Opens both data sets, reads what fits, and closes them when `use` is done.
 * Memory: half of `memory`, and a few batches.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, MISMATCH_INPUT
 */
export async function withCandidateData<P extends readonly ValPart[], T>(
  { models, templateIndex }: OpenedSnapshots,
  options: MeasuringOptions,
  cut: (val: ChosenData, seed: number) => P,
  control: Control,
  use: (data: CandidateData<P>) => Promise<T>,
): Promise<T> {
  const { seed = 0 } = options;
  const seeded = (given: DataOptions): DataOptions => ({ ...given, seed: given.seed ?? seed });
  const val = await openData(seeded(options.val), { labelled: true, as: 'val', signal: control.signal });
  const template = models[templateIndex] as Model;
  let train: ChosenData | undefined;
  try {
    assertLabels(val.dataset, declaredClasses(template, options.output));
    if (options.train) {
      const { limit = DEFAULT_SAMPLES } = options.train;
      train = await openData(
        { ...seeded(options.train), limit },
        { labelled: false, as: 'train', signal: control.signal },
      );
    }
    return await use(await readSets({ val, train }, template, options, cut, control));
  } finally {
    await val.dataset.close();
    await train?.dataset.close();
  }
}
