import { performance } from 'node:perf_hooks';
import { TemperError } from '../../core/index.ts';
import { type Dataset, loadBatches, type Size, type Transform, type Views } from '../../data/index.ts';
import { batchDependence, type LoneRow, loneRows } from '../../evaluate/index.ts';
import { type Batch, type ClassOutput, readClassOutput, runBatches, type Tensor } from '../../runtime/index.ts';
import { readAllOutputs, storedOutputs, type TeacherStage } from './teacher-stage.ts';

/** Batches that are timed, where they are a small part of the work. */
const TIMED_BATCHES = 6;
const LONG_JOB_BATCHES = 10 * TIMED_BATCHES;

export interface ProbeJob {
  readonly dataset: Dataset;
  /** All samples of the run, whichever of them this worker does. */
  readonly rows: Uint32Array;
  readonly teachers: readonly TeacherStage[];
  readonly transforms: readonly Transform[];
  readonly views: Views | undefined;
  readonly batch: number;
  readonly workers: number;
  readonly onBadImage: 'fail' | 'skip';
  readonly signal?: AbortSignal | undefined;
}

/** What the first batch says of a teacher. */
interface ProbedTeacher {
  /** That are stored. */
  readonly classes: number;
  /** Of the input. */
  readonly channels: number;
}

export interface Probe {
  readonly teachers: readonly ProbedTeacher[];
  /** Per teacher: how far images alone and in a batch lie apart ({@link batchDependence}). */
  readonly batchDependence: readonly number[];
  /** Decoding, inference and all else, overlapped; absent for short jobs. */
  readonly msPerBatch: number | undefined;
  /** Sizes of the pictures of the first batch. */
  readonly sources: readonly Size[];
}

interface Meta {
  readonly keys: readonly string[];
  readonly channels: readonly number[];
  readonly lone: readonly LoneRow[];
  readonly sources: readonly Size[];
}

/** The first batches of a job. */
export async function* probeBatches(job: ProbeJob, count = Number.POSITIVE_INFINITY): AsyncGenerator<Batch<Meta>> {
  const { dataset, signal, rows, transforms, views, batch, workers, onBadImage } = job;
  let given = 0;
  // Bad images are told when their turn comes.
  const loaded = loadBatches(dataset, { rows, transforms, views, batch, workers, onBadImage, statistics: true });
  for await (const { inputs, keys, statistics, facts } of loaded) {
    signal?.throwIfAborted();
    const channels = statistics.map(({ mean }) => mean.length / keys.length);
    // Copied before the inputs are handed over.
    const lone = given === 0 ? loneRows(inputs as readonly Tensor[]) : [];
    yield {
      images: inputs as readonly Tensor[],
      meta: { keys, channels, lone, sources: facts.map(({ source }) => source) },
    };
    if (++given === count) return;
  }
}

/**
 * Runs the first batches of a job, whose results are dropped: models that do not fit fail before anything is written, and long jobs learn how long they will take. Some images of
 * the first are run alone too.
 * @throws TemperError INPUT_TOO_FEW if no image can be decoded; what decoding and sessions throw
 */
export async function probeTeachers(job: ProbeJob): Promise<Probe> {
  const { teachers, rows, batch } = job;
  const long = rows.length >= LONG_JOB_BATCHES * batch;
  const stages = teachers.map(({ session, input, output, images }) => ({
    session,
    input,
    images,
    fetches: [output.name],
  }));
  const times: number[] = [];
  let first: { probed: ProbedTeacher[]; outputs: ClassOutput[]; meta: Meta } | undefined;
  for await (const { meta, outputs, rows: count } of runBatches(stages, probeBatches(job, long ? TIMED_BATCHES : 1))) {
    first ??= {
      probed: teachers.map((stage, i) => {
        const all = readAllOutputs(stage, outputs[i] ?? {}, count, meta.keys);
        const channels = meta.channels[stage.images] as number;
        return { classes: storedOutputs(stage, all).classes, channels };
      }),
      outputs: teachers.map(({ session, output }, i) => readClassOutput(session, output, outputs[i] ?? {}, count)),
      meta,
    };
    times.push(performance.now());
  }
  if (!first) {
    throw new TemperError('INPUT_TOO_FEW', `${job.dataset.source}: no image could be decoded`, {
      hint: 'Check `data`.',
    });
  }
  const [begin = 0, end = 0] = [times[0], times.at(-1)];
  return {
    teachers: first.probed,
    batchDependence: await batchDependence(teachers, first.outputs, first.meta.lone),
    msPerBatch: times.length > 1 ? (end - begin) / (times.length - 1) : undefined,
    sources: first.meta.sources,
  };
}
