import { type Control, controlOf, type JobControl, TemperError } from '../../core/index.ts';
import { partsOf, type Shard } from '../../data/index.ts';
import { assertFixedBatch } from '../../runtime/index.ts';
import {
  assertRoom,
  estimateStore,
  estimateTargets,
  estimateText,
  makeParts,
  type PreparedTargets,
  prepareTargets,
  type TargetsEstimate,
  type TeacherOptions,
  type TeacherReading,
} from '../run/index.ts';
import {
  checkParts,
  checkTargetFolder,
  isPartDone,
  isPartWhole,
  removeStore,
  type StoreFields,
  type StoreRun,
  samplesText,
  startStore,
  storeFields,
  type TeacherFields,
  teacherFields,
} from '../store/index.ts';
import { completeStore, type MergeTargetsRecord, type TeacherGate } from './merge-targets.ts';

/** Whose targets `makeTargets` makes, of which images, and where. */
export interface MakeTargetsOptions extends TeacherOptions {
  /** The folder of the store. A store of the same run that is not complete is gone on with. */
  readonly out: string;
  /** Start over in a folder that has a store. @default false */
  readonly force?: boolean | undefined;
  /** Make the parts of one worker only; `mergeTargets` completes the store when all are done. */
  readonly shard?: Shard | undefined;
  /** Told how the teachers did; false leaves the parts as they are, without a manifest. Needs labels. @default always true */
  readonly gate?: TeacherGate | undefined;
  /** Say how large and how long, and write nothing. @default false */
  readonly dryRun?: boolean | undefined;
}

/** What a run made of the parts that were its own. */
export interface MadeParts {
  readonly made: number;
  /** Were there already, and whole. */
  readonly kept: number;
  readonly seconds: number;
  /** Decoding, inference and storing together; null where nothing was to be done. */
  readonly imagesPerSecond: number | null;
}

export interface MakeTargetsRecord {
  readonly fields: StoreFields;
  /** With scores where the store is whole and the data labelled. */
  readonly teachers: readonly TeacherFields[];
  readonly estimate: TargetsEstimate;
  /** How each teacher was read. */
  readonly readings: readonly TeacherReading[];
  /** What is odd about pictures and transforms, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
  /** Undefined for a dry run. */
  readonly parts: MadeParts | undefined;
  /** The whole store; undefined for a dry run, and for a worker. */
  readonly whole: MergeTargetsRecord | undefined;
}

/** What can be refused before anything is opened. @throws TemperError USAGE, OUTPUT_* */
function checkOptions({ teachers, data, viewsFrom, out, force = false, shard, gate }: MakeTargetsOptions): void {
  if (teachers.length === 0) throw new TemperError('USAGE', 'no teacher is named', { hint: 'Give `teachers`.' });
  if (shard && force) {
    throw new TemperError('USAGE', '`force` would remove the parts of other workers', {
      hint: 'Remove the folder before the workers start.',
    });
  }
  if (shard && gate) {
    throw new TemperError('USAGE', '`gate` needs all rows, a worker has some', {
      hint: 'Give it when all are merged (teacher-logits merge, mergeTargets).',
    });
  }
  const inputs = [...teachers, data.source, viewsFrom].filter((path) => path !== undefined);
  checkTargetFolder(out, inputs, force);
}

/** A worker's parts: how many are its own, and which of them are to be made. */
interface Share {
  readonly own: number;
  readonly left: readonly number[];
}

const partsOfWorker = ({ n_rows, rows_per_part }: StoreRun, worker: Shard | undefined): number[] =>
  partsOf(n_rows, rows_per_part, worker).map(({ index }) => index);

/** Parts of a worker that are not there, or damaged. */
async function shareOf(
  { out, shard }: MakeTargetsOptions,
  run: StoreRun,
  hash: string,
  note: Control['note'],
): Promise<Share> {
  const own = partsOfWorker(run, shard);
  const left: number[] = [];
  for (const part of own) {
    if (isPartDone(out, run, part)) {
      if (await isPartWhole(out, run, hash, part)) continue;
      note(`part ${part} is damaged, and is made again`);
    }
    left.push(part);
  }
  if (own.length > left.length) note(`${own.length - left.length} of ${own.length} parts are there already`);
  return { own: own.length, left };
}

/** Makes the parts that are missing. */
async function makeMissing(
  options: MakeTargetsOptions,
  prepared: PreparedTargets,
  runHash: string,
  { own, left }: Share,
  { note, progress, signal }: Control,
): Promise<MadeParts> {
  const { run, chosen, teachers } = prepared;
  const samples =
    left.reduce((sum, part) => sum + Math.min(run.rows_per_part, run.n_rows - part * run.rows_per_part), 0) / run.views;
  const bar = progress(`${teachers.length === 1 ? 'a teacher' : `${teachers.length} teachers`}:`, samples);
  const start = performance.now();
  try {
    await makeParts({
      ...prepared,
      ...chosen,
      folder: options.out,
      runHash,
      parts: left,
      onBadImage: options.onBadImage ?? 'fail',
      onBad: ({ key, error }) => note(`bad image ${key}: ${error.message}`),
      onProgress: (done) => bar.update(done),
      signal,
    });
  } finally {
    bar.end();
  }
  const seconds = (performance.now() - start) / 1000;
  const imagesPerSecond = samples > 0 ? samples / seconds : null;
  return { made: left.length, kept: own - left.length, seconds, imagesPerSecond };
}

async function makeStore(
  options: MakeTargetsOptions,
  prepared: PreparedTargets,
  control: Control,
): Promise<MakeTargetsRecord> {
  const { out, force = false, shard, gate } = options;
  const { run, chosen, msPerBatch, warnings } = prepared;
  if (force) removeStore(out);
  await assertRoom(out, estimateStore(out, run).missingBytes);
  const hash = await startStore(out, run, samplesText(chosen.dataset, chosen.rows));
  const share = await shareOf(options, run, hash, control.note);
  const estimate = estimateTargets(out, run, share.left.length, msPerBatch);
  control.note(estimateText(run, estimate));
  const parts = await makeMissing(options, prepared, hash, share, control);
  const record = { fields: storeFields(out, run), readings: prepared.readings, estimate, warnings, parts };
  if (shard) return { ...record, teachers: teacherFields(run, null), whole: undefined };
  const whole = await completeStore(out, await checkParts(out, { signal: control.signal }), gate);
  return { ...record, teachers: whole.teachers, whole };
}

/**
 * Stores what teachers say about every view of every image, for distillation: logits minus their maximum, dense or top-K, with
 * the log-sum-exp over all classes at each temperature (src/distill/FORMAT.md). Row = ordinal · views + view, the ordinal being
 * the place among the chosen samples in table order. What a part holds is a function of the options alone (on one type of
 * processor and provider), however the work was shared or interrupted. A run that was stopped goes on where it stopped.
 * Memory: one part (at most 256 MiB by default) and five batches.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_* (also for a folder of another run), EXECUTION_*,
 * NUMERIC_NONFINITE, NUMERIC_OVERFLOW (naming key and view), OUTPUT_*; the signal's reason
 * @example
 * const { fields, whole } = await makeTargets({
 *   teachers: ['teacher.onnx'],
 *   data: { source: 'train/' },
 *   transform: { size: 224 },
 *   views: { augment: { randomResizedCrop: {}, flip: 0.5 }, count: 2 },
 *   topK: 5,
 *   out: 'targets/',
 * });
 * console.log(fields.n_rows, whole?.manifestSha256);
 */
export async function makeTargets(options: MakeTargetsOptions, control: JobControl = {}): Promise<MakeTargetsRecord> {
  assertFixedBatch(options, 'parts are whole batches, and workers and later runs must agree on them');
  const watched = controlOf(control);
  checkOptions(options);
  const prepared = await prepareTargets(options, watched);
  try {
    const { run, chosen, msPerBatch } = prepared;
    if (options.gate && !chosen.dataset.labelled) {
      throw new TemperError('USAGE', '`gate` needs labels: the data has no labels', {
        hint: 'Give `data.labels`, or leave `gate` out.',
      });
    }
    if (!options.dryRun) return await makeStore(options, prepared, watched);
    const parts = partsOfWorker(run, options.shard).length;
    return {
      fields: storeFields(options.out, run),
      teachers: teacherFields(run, null),
      readings: prepared.readings,
      estimate: estimateTargets(options.out, run, parts, msPerBatch),
      warnings: prepared.warnings,
      parts: undefined,
      whole: undefined,
    };
  } finally {
    await prepared.close();
  }
}
