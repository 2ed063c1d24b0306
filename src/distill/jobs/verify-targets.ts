import { type Control, controlOf, type JobControl, TemperError } from '../../core/index.ts';
import { type DataOptions, openData } from '../../data/index.ts';
import { logitTolerance } from '../../evaluate/index.ts';
import { openSessions, type RuntimeOptions, type Session, workersOf } from '../../runtime/index.ts';
import {
  assertTeachers,
  recomputeTargets,
  storedStages,
  type TargetDifference,
  type TeacherStage,
} from '../run/index.ts';
import { openStore, type Store, verifyStore } from '../store/index.ts';

const DEFAULT_SAMPLES = 256;
/** Of the inputs' mean and deviation: the same images, transformed in the same way. */
const INPUT_TOLERANCE = 1e-6;

/** What `verifyTargets` looks at. */
export interface VerifyTargetsOptions extends Pick<RuntimeOptions, 'device' | 'threads' | 'workers'> {
  /** A whole store. */
  readonly store: string;
  /** Recompute a sample with these models, in the order of the store; needs `data`. */
  readonly teachers?: readonly string[] | undefined;
  /** The images that the store was made from; `rows` and `limit` have no use: the store says which. */
  readonly data?: DataOptions | undefined;
  /** Samples to recompute, chosen by the seed, with all of their views. The batches that they were in run whole. @default 256 */
  readonly samples?: number | undefined;
  /** Of the choice of samples. @default 0 */
  readonly seed?: number | undefined;
  /** Largest difference of a logit, relative to its row's range. @default by provider: CPU 2e-5, CUDA 5e-3; float16 networks 1e-2 */
  readonly tolerance?: number | undefined;
}

/** How far stored targets of one teacher are from what it says now. */
export interface RecomputedFields {
  readonly model: string;
  readonly provider: string;
  readonly n_rows: number;
  /** Largest differences of a stored value, of a row's highest logit, of a log-sum-exp. */
  readonly max_abs_logit: number;
  readonly max_abs_max: number;
  readonly max_abs_lse: number;
  /** The largest of these that rounding to the storage type does not explain, over max(1, range of the row's logits). */
  readonly max_relative: number;
  readonly tolerance: number;
  /** KL(stored ‖ now) at T = 1, nats. */
  readonly mean_kl: number;
  readonly max_kl: number;
  /** Share of rows whose best class is the same. */
  readonly top1_agreement: number;
  /** Mean share of the K (dense: 5) best classes that are the same. */
  readonly top_k_overlap: number;
  /** Largest difference of the mean or deviation of an input channel, over max(1, |value|). */
  readonly max_input: number;
  readonly input_tolerance: number;
  readonly passed: boolean;
}

export interface VerifyTargetsRecord {
  readonly store: string;
  readonly passed: boolean;
  readonly rows: number;
  /** Files looked at, without the manifest, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Everything that is wrong with the files; empty for a store that is what it was when it was made. */
  readonly problems: readonly { readonly code: string; readonly message: string }[];
  /** Per teacher; empty unless recomputing was asked for, and for a damaged store, whose numbers would say nothing. */
  readonly teachers: readonly RecomputedFields[];
}

function recomputedFields(
  { manifest }: Store,
  i: number,
  stage: TeacherStage,
  d: TargetDifference,
  asked: number | undefined,
): RecomputedFields {
  const tolerance = asked ?? logitTolerance(stage, manifest.teachers[i]?.provider);
  return {
    model: stage.name,
    provider: stage.session.provider,
    n_rows: d.rows,
    max_abs_logit: d.logits,
    max_abs_max: d.max,
    max_abs_lse: d.lse,
    max_relative: d.relative,
    tolerance,
    mean_kl: d.meanKl,
    max_kl: d.maxKl,
    top1_agreement: d.top1,
    top_k_overlap: d.overlap,
    max_input: d.inputs,
    input_tolerance: INPUT_TOLERANCE,
    passed: d.relative <= tolerance && d.inputs <= INPUT_TOLERANCE,
  };
}

interface Recomputation extends VerifyTargetsOptions {
  readonly teachers: readonly string[];
  readonly data: DataOptions;
}

async function recompute(store: Store, options: Recomputation, control: Control): Promise<RecomputedFields[]> {
  const { teachers: paths, data, samples = DEFAULT_SAMPLES, seed = 0, tolerance } = options;
  await assertTeachers(store, paths);
  const { dataset } = await openData(
    { ...data, rows: undefined, limit: undefined },
    { labelled: false, signal: control.signal },
  );
  let sessions: readonly Session[] = [];
  const bar = control.progress('recomputing', Math.min(samples, store.manifest.n_samples));
  try {
    sessions = await openSessions(paths, options, control.note);
    const stages = storedStages(store, sessions);
    const differences = await recomputeTargets({
      ...stages,
      store,
      dataset,
      samples,
      seed,
      workers: workersOf(options),
      onProgress: (done) => bar.update(done),
      signal: control.signal,
    });
    return differences.map((difference, i) =>
      recomputedFields(store, i, stages.teachers[i] as TeacherStage, difference, tolerance),
    );
  } finally {
    bar.end();
    await Promise.all(sessions.map((session) => session.close()));
    await dataset.close();
  }
}

/**
 * Checks every byte of a store (hashes, structure, coverage, every number), and with `teachers` and `data` recomputes a sample
 * of it: the same batches, the same views. Memory: the samples of one part; recomputing: four batches.
 * @throws TemperError INPUT_NOT_FOUND (no store, or an incomplete one), FORMAT_* for a manifest that cannot be read;
 * MISMATCH_VALUE for other models or images; USAGE, UNSUPPORTED_*, EXECUTION_*; the signal's reason. A store that differs is no
 * error: `passed` is false
 * @example
 * const { passed, problems, teachers } = await verifyTargets({
 *   store: 'targets/',
 *   teachers: ['teacher.onnx'],
 *   data: { source: 'train/' },
 * });
 * console.log(passed, problems, teachers.map(({ max_relative }) => max_relative));
 */
export async function verifyTargets(
  options: VerifyTargetsOptions,
  control: JobControl = {},
): Promise<VerifyTargetsRecord> {
  const watched = controlOf(control);
  const { teachers, data } = options;
  if ((data === undefined) !== (teachers === undefined)) {
    throw new TemperError('USAGE', 'recomputing needs `data` and `teachers`', { hint: 'Give both, or none of them.' });
  }
  const store = openStore(options.store);
  const bar = watched.progress(`checking ${options.store}`, store.manifest.n_parts);
  const { problems, files, bytes, rows } = await verifyStore(options.store, {
    signal: watched.signal,
    onProgress: (parts) => bar.update(parts),
  }).finally(() => bar.end());
  const compare = data !== undefined && teachers !== undefined && problems.length === 0;
  const recomputed = compare ? await recompute(store, { ...options, data, teachers }, watched) : [];
  return {
    store: options.store,
    passed: problems.length === 0 && recomputed.every(({ passed }) => passed),
    rows,
    files,
    bytes,
    problems: problems.map(({ code, message }) => ({ code, message })),
    teachers: recomputed,
  };
}
