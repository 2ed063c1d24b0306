import { basename, join } from 'node:path';
import { type Control, controlOf, type FieldRow, type JobControl, sha256OfFile, version } from '../../core/index.ts';
import {
  type BadImage,
  type BadImageRecord,
  badImageRecord,
  type ChosenData,
  type DataOptions,
  openData,
  type Transform,
  transformFields,
} from '../../data/index.ts';
import { modelFileSha256 } from '../../onnx/index.ts';
import {
  batchOf,
  modelClasses,
  openSessions,
  type RuntimeOptions,
  type Session,
  sessionReading,
  workersOf,
} from '../../runtime/index.ts';
import {
  assertLabels,
  type ModelReading,
  modelInput,
  type OutputKind,
  type TransformChoice,
  transformFor,
  transformsFor,
} from '../../signature/index.ts';
import { decideKinds, kindRows, readClassOutputs, type TeacherOutputs } from '../run/index.ts';
import {
  classRows,
  type EnsembleChoice,
  ensembleOf,
  readyBatches,
  rowFields,
  rowsOfStore,
  rowsToScore,
  type ScoreWords,
  type SourceScore,
  scoredTemperatures,
  scoreRows,
  scoreStudent,
  scoreWords,
  studentBatches,
  studentStage,
} from '../score/index.ts';
import { MANIFEST_FILE, openStore, type Store } from '../store/index.ts';

const DEFAULT_WORST = 10;

/** What `scoreTargets` compares. */
export interface ScoreTargetsOptions extends RuntimeOptions, EnsembleChoice {
  /** A whole store. */
  readonly store: string;
  /** The ONNX classifier to compare with the targets. */
  readonly student: string;
  /** The images that the store was made from; `rows` and `limit` choose some of the store's. */
  readonly data: DataOptions;
  /** From an image to the student's input, in the views that the store records. @default what the first teacher saw */
  readonly transform?: TransformChoice | undefined;
  /** Of a top-K store some of its own. @default the store's */
  readonly temperatures?: readonly number[] | undefined;
  /** What the student gives; probabilities are scored by ln p. @default 'auto': told by the graph, else by all values of 1,024 images */
  readonly outputs?: 'auto' | TeacherOutputs | undefined;
  /** Where the student's classes are not the data's, or in another order: a file that names the index of each, as in `makeTargets`. */
  readonly classMap?: string | undefined;
  /** Rows to name that differ most, at the first temperature. @default 10 */
  readonly worst?: number | undefined;
  /** Stop at an image that cannot be decoded, or leave it out and list it. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Of the choice of `limit`. @default 0 */
  readonly seed?: number | undefined;
  /** Told of every row and source, in order: source, key, view, label, teacher_class, student_class, T² · KL at each temperature. */
  readonly onRow?: ((row: FieldRow) => void) | undefined;
}

export interface ScoreTargetsRecord {
  /** What was compared, and how: hashes, transform, provider. */
  readonly fields: FieldRow;
  /** Formula, reduction, and what is known of classes that were not stored. */
  readonly words: ScoreWords;
  /** Per teacher, then the ensemble. */
  readonly scores: readonly SourceScore[];
  /** The scores as a table, a row per teacher and temperature; each with `fields`. */
  readonly rows: readonly FieldRow[];
  /** Scores by class, a row per teacher and class: the true one, or for unlabelled data the teacher's. */
  readonly classRows: readonly FieldRow[];
  /** Undefined for data that is network input. */
  readonly transform: Transform | undefined;
  /** How the student was read, each fact with its source. */
  readonly reading: ModelReading;
  /** Images that were left out now; those that were bad when the store was made are in its manifest. */
  readonly badImages: readonly BadImageRecord[];
}

const isGiven = (choice: TransformChoice | undefined): choice is TransformChoice =>
  Object.values(choice ?? {}).some((value) => value !== undefined);

/**
 * The student's transform: the choice, or the very transform of the first teacher, of which nothing is lost.
 * @throws TemperError USAGE, UNSUPPORTED_GRAPH, MISMATCH_INPUT
 */
function studentTransform(
  session: Session,
  chosen: ChosenData,
  { manifest }: Pick<Store, 'manifest'>,
  { transform, input }: Pick<ScoreTargetsOptions, 'transform' | 'input'>,
  note: Control['note'],
): Transform | undefined {
  const [teacher] = manifest.teachers;
  if (isGiven(transform) || chosen.dataset.kind === 'tensor' || !teacher?.transform) {
    return transformsFor([session], chosen, { transform, input }, note)[0];
  }
  note(`the student sees what ${teacher.name} saw (no transform options are given)`);
  return transformFor(teacher.transform, session, input);
}

interface Scored extends Pick<ScoreTargetsRecord, 'scores' | 'transform' | 'reading' | 'badImages'> {
  readonly outputs: OutputKind;
  readonly session: Session;
}

async function score(
  store: Store,
  session: Session,
  chosen: ChosenData,
  options: ScoreTargetsOptions,
  { note, progress, signal }: Control,
): Promise<Scored> {
  const { dataset } = chosen;
  const { data, worst = DEFAULT_WORST, outputs = 'auto', onBadImage = 'fail', onRow, input, output } = options;
  const temperatures = scoredTemperatures(store, options.temperatures);
  const transform = studentTransform(session, chosen, store, options, note);
  const ofStore = await rowsOfStore(store, dataset);
  if (options.classMap === undefined) assertLabels(dataset, modelClasses(session, output));
  const asked = data.rows === undefined && data.limit === undefined ? undefined : chosen.rows;
  const rows = rowsToScore(store, dataset, ofStore, asked);
  const badImages: BadImageRecord[] = [];
  const bar = progress(`scoring ${session.label}`, rows.length * store.manifest.views);
  try {
    const seen = {
      ...{ ofStore, rows, transform, onBadImage, signal },
      batch: batchOf(options, [modelInput(session, input).batch]),
      workers: workersOf(options),
    };
    const names = { input, output, classMap: readClassOutputs(options.classMap, chosen) };
    const kinds = await decideKinds([studentStage(session, names)], outputs === 'auto' ? undefined : outputs, () =>
      readyBatches(studentBatches(store, dataset, { ...seen, rows: kindRows(dataset, rows) })),
    );
    const kind = kinds[0] as OutputKind;
    const quarantine = (bad: BadImage): void => {
      badImages.push(badImageRecord(bad));
      note(`left out ${bad.key}: ${bad.error.message}`);
    };
    const form = { temperatures, labelled: dataset.labelled };
    const scores = await scoreStudent(store, session, studentBatches(store, dataset, { ...seen, quarantine }), {
      ...form,
      ...names,
      worst,
      ensemble: ensembleOf(store, options),
      outputs: kind,
      onProgress: (done) => bar.update(done),
      onRow: onRow && ((source, row) => onRow(rowFields(source, row, form))),
    });
    const ran = { kind: kind, source: 'the first images' };
    // Without options it is the teacher's, as a whole.
    const choice = isGiven(options.transform) || !transform ? options.transform : transform;
    const reading = sessionReading(session, options, ran, { transform, choice });
    return { scores, outputs: kind, transform, reading, session, badImages };
  } finally {
    bar.end();
  }
}

async function scoreRecord(
  store: Store,
  { dataset }: ChosenData,
  { scores, transform, reading, outputs, session, badImages }: Scored,
  student: string,
): Promise<ScoreTargetsRecord> {
  const fields = {
    student: basename(student),
    student_sha256: await modelFileSha256(student),
    store: store.folder,
    store_manifest_sha256: await sha256OfFile(join(store.folder, MANIFEST_FILE)),
    data_table_sha256: dataset.tableHash(),
    outputs,
    ...transformFields(transform),
    provider: session.provider,
    onnxruntime: session.ortVersion,
    n_bad_images: store.manifest.bad_images.length + badImages.length,
    version,
  };
  return {
    fields,
    words: scoreWords(store.manifest),
    scores,
    rows: scoreRows(scores, fields),
    classRows: classRows(scores, dataset.classes),
    transform,
    reading,
    badImages,
  };
}

/**
 * Compares a student with stored targets, on the views that the store records: T² · KL(softmax(teacher/T) ‖ softmax(student/T))
 * in nats (Hinton, Vinyals, Dean 2015, section 2), mean over rows, with agreement, accuracy, scores by class and the worst rows;
 * of each teacher and of their ensemble. All in float64. Of top-K targets the KL is an estimate between two bounds.
 * Memory: a few batches, and 8 bytes a row, source and temperature.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_VALUE (other images or classes than the store's),
 * MISMATCH_INPUT, EXECUTION_*, NUMERIC_NONFINITE; the signal's reason
 * @example
 * const { scores } = await scoreTargets({
 *   store: 'targets/',
 *   student: 'student.onnx',
 *   data: { source: 'train/' },
 * });
 * console.log(scores.map(({ source, temperatures, agree1 }) => [source, temperatures[0]?.kl, agree1]));
 */
export async function scoreTargets(
  options: ScoreTargetsOptions,
  control: JobControl = {},
): Promise<ScoreTargetsRecord> {
  const watched = controlOf(control);
  const { student, data, seed } = options;
  const store = openStore(options.store);
  // Before anything is opened that takes time.
  scoredTemperatures(store, options.temperatures);
  ensembleOf(store, options);
  const chosen = await openData({ seed, ...data }, { labelled: false, signal: watched.signal });
  try {
    const sessions = await openSessions([student], options, watched.note);
    try {
      const found = await score(store, sessions[0] as Session, chosen, options, watched);
      return await scoreRecord(store, chosen, found, student);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  } finally {
    await chosen.dataset.close();
  }
}
