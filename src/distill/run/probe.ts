import { performance } from 'node:perf_hooks';
import { TemperError } from '../../core/index.ts';
import { type Dataset, type Transform, type Views, loadBatches } from '../../data/index.ts';
import { type Batch, type Tensor, runBatches } from '../../runtime/index.ts';
import { outputsOf, readOutputs, type TeacherOutputs, type TeacherStage } from './teacher-stage.ts';

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

export interface Probe {
  /** Per teacher: classes that are stored, input channels, and what the outputs are. */
  readonly teachers: readonly {
    readonly classes: number;
    readonly channels: number;
    readonly outputs: TeacherOutputs;
  }[];
  /** Decoding, inference and all else, overlapped; absent for short jobs. */
  readonly msPerBatch: number | undefined;
}

/**
 * Runs the first batches of a job, whose results are dropped: what the outputs are is decided on the same images by every
 * worker, models that do not fit fail before anything is written, and long jobs learn how long they will take.
 * @throws TemperError INPUT_TOO_FEW if no image can be decoded; what decoding and sessions throw
 */
export async function probeTeachers(job: ProbeJob): Promise<Probe> {
  const { teachers, rows, batch } = job;
  const long = rows.length >= LONG_JOB_BATCHES * batch;
  async function* batches(): AsyncGenerator<Batch<{ keys: readonly string[]; channels: readonly number[] }>> {
    const { signal, onBadImage, workers, transforms, views } = job;
    let given = 0;
    // Bad images are told when their turn comes.
    for await (const { inputs, keys, statistics } of loadBatches(job.dataset, {
      rows,
      transforms,
      views,
      batch,
      workers,
      onBadImage,
      statistics: true,
    })) {
      signal?.throwIfAborted();
      yield {
        images: inputs as readonly Tensor[],
        meta: { keys, channels: statistics.map(({ mean }) => mean.length / keys.length) },
      };
      if (++given === (long ? TIMED_BATCHES : 1)) return;
    }
  }
  const stages = teachers.map(({ session, input, output, images }) => ({
    session,
    input,
    images,
    fetches: [output.name],
  }));
  let found: Probe['teachers'] | undefined;
  const times: number[] = [];
  for await (const result of runBatches(stages, batches())) {
    const { keys, channels } = result.meta;
    found ??= teachers.map((stage, i) => {
      const output = readOutputs(stage, result.outputs[i] ?? {}, result.rows, keys);
      return { classes: output.classes, channels: channels[stage.images] as number, outputs: outputsOf(output) };
    });
    times.push(performance.now());
  }
  if (!found) {
    throw new TemperError('INPUT_TOO_FEW', `${job.dataset.source}: no image could be decoded`, {
      hint: 'Check `data`.',
    });
  }
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  return { teachers: found, msPerBatch: times.length > 1 ? (last - first) / (times.length - 1) : undefined };
}
