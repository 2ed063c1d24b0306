import {
  type BadImage,
  type Dataset,
  type InputStatistics,
  type LoadedBatch,
  loadBatches,
  type Transform,
  type Views,
} from '../../data/index.ts';
import { type Batch, type BatchResult, runBatches, type Tensor } from '../../runtime/index.ts';
import { partRange, type Store, type StoreRun } from '../store/index.ts';
import { type BatchRows, type PartBuffer, partBuffer } from './part-buffer.ts';
import { baseViews } from './replayed-views.ts';
import { assertKinds, readAllOutputs, storedOutputs, type TeacherStage } from './teacher-stage.ts';

/** Batches prepared while one runs. */
const AHEAD = 2;

export interface PartsJob {
  readonly folder: string;
  readonly run: StoreRun;
  /** SHA-256 of run.json. */
  readonly runHash: string;
  readonly dataset: Dataset;
  /** Rows of the samples in the data set, rising. */
  readonly rows: Uint32Array;
  /** Parts to make, rising. */
  readonly parts: readonly number[];
  readonly teachers: readonly TeacherStage[];
  /** The distinct transforms that teachers take; empty for ready tensors. */
  readonly transforms: readonly Transform[];
  /** The store whose views are replayed. */
  readonly viewsFrom?: Store | undefined;
  /** Decoding threads. */
  readonly workers: number;
  readonly onBadImage: 'fail' | 'skip';
  readonly onBad?: ((bad: BadImage) => void) | undefined;
  /** Called with the samples done so far. */
  readonly onProgress?: ((samples: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The place of a row among rising rows. */
export function ordinalOf(rows: Uint32Array, row: number): number {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as number) < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The views to draw; undefined for the evaluation transform. */
export function viewsOf({ augment, views, seed }: StoreRun): Views | undefined {
  return augment === null ? undefined : { augment, count: views, seed };
}

/** The samples of some parts, laid end to end. */
function samplesOf({ run, rows, parts }: PartsJob): Uint32Array {
  const ranges = parts.map((part) => partRange(run, part));
  const chosen = new Uint32Array(ranges.reduce((sum, { first, end }) => sum + (end - first) / run.views, 0));
  let at = 0;
  for (const { first, end } of ranges) {
    chosen.set(rows.subarray(first / run.views, end / run.views), at);
    at += (end - first) / run.views;
  }
  return chosen;
}

interface Meta extends BatchRows {
  readonly statistics: readonly InputStatistics[];
}

/** Loads the batches of a job; none of them crosses a part's end, so that a part's bytes do not depend on what else is made. */
async function* loadJob(job: PartsJob, onBad: (bad: BadImage) => void): AsyncGenerator<Batch<Meta>> {
  const { run, dataset, rows, viewsFrom } = job;
  const base = viewsFrom && baseViews(viewsFrom);
  try {
    const loaded = loadBatches(dataset, {
      rows: samplesOf(job),
      transforms: job.transforms,
      views: viewsOf(run),
      records: base && ((row) => base.records(ordinalOf(rows, row))),
      batch: run.batch,
      partRows: run.rows_per_part / run.views,
      workers: job.workers,
      onBadImage: job.onBadImage,
      quarantine: onBad,
      statistics: true,
    });
    for await (const batch of loaded) {
      job.signal?.throwIfAborted();
      yield { images: batch.inputs as readonly Tensor[], meta: metaOf(batch, rows) };
    }
  } finally {
    base?.close();
  }
}

function metaOf({ rows: found, keys, labels, facts, statistics }: LoadedBatch, rows: Uint32Array): Meta {
  return { ordinals: found.map((row) => ordinalOf(rows, row)), keys, labels, facts, statistics };
}

/**
 * Runs teachers over the samples of some parts and writes each part as soon as it is whole. Images are decoded once for
 * all teachers; decoding, inference and encoding overlap. What a part holds depends on the run alone: neither on the
 * other parts nor on threads (on one type of processor and provider).
 *
 * Memory: one part, five batches.
 * @throws TemperError EXECUTION_OUTPUT for a row that is not of the kind of its teacher; FORMAT_IMAGE, … with onBadImage fail; NUMERIC_NONFINITE, NUMERIC_OVERFLOW naming key and view;
 * MISMATCH_VALUE for images that are not those of `viewsFrom`; EXECUTION_*, OUTPUT_WRITE, INTERRUPTED
 */
export async function makeParts(job: PartsJob): Promise<void> {
  const { run, dataset, rows, parts, teachers, viewsFrom } = job;
  const base = viewsFrom && baseViews(viewsFrom);
  const waiting = [...parts];
  const bad: BadImage[] = [];
  let buffer: PartBuffer | undefined;
  let done = 0;

  const finish = (made: PartBuffer): void => {
    const { first, end } = partRange(run, made.index);
    while (bad[0] && ordinalOf(rows, bad[0].row) * run.views < end) {
      const { row, error } = bad.shift() as BadImage;
      made.bad(ordinalOf(rows, row), error.code);
    }
    base?.assertSame(
      made.views,
      first,
      end,
      (row) => dataset.sample(rows[Math.floor((first + row) / run.views)] as number).key,
    );
    made.write(job.folder, job.runHash);
    done += (end - first) / run.views;
    job.onProgress?.(done);
  };
  /** The buffer of a part; those before it are whole, though nothing of them may have been decodable. */
  const bufferOf = (part: number): PartBuffer => {
    while (buffer?.index !== part) {
      if (buffer) finish(buffer);
      // Let go before the next is made: one part is held.
      buffer = undefined;
      buffer = partBuffer(run, waiting.shift() as number, dataset, rows);
    }
    return buffer;
  };
  const take = ({ meta, outputs, rows: count }: BatchResult<Meta>): void => {
    const part = Math.floor(((meta.ordinals[0] as number) * run.views) / run.rows_per_part);
    const found = teachers.map((stage, i) => {
      const all = readAllOutputs(stage, outputs[i] ?? {}, count, meta.keys);
      assertKinds(stage, all, run.teachers[i]?.outputs ?? 'logits', meta.keys);
      return storedOutputs(stage, all);
    });
    const statistics = teachers.map(({ images }) => meta.statistics[images] as InputStatistics);
    const into = bufferOf(part);
    into.add(meta, found, statistics);
    const { first } = partRange(run, part);
    job.onProgress?.(done + (meta.ordinals.at(-1) as number) + 1 - first / run.views);
  };
  const onBad = (one: BadImage): void => {
    bad.push(one);
    job.onBad?.(one);
  };
  const stages = teachers.map(({ session, input, output, images }) => ({
    session,
    input,
    fetches: [output.name],
    images,
  }));
  try {
    for await (const result of runBatches(stages, loadJob(job, onBad), { ahead: AHEAD })) take(result);
    const last = parts.at(-1);
    if (last !== undefined) finish(bufferOf(last));
  } finally {
    base?.close();
  }
}
