import { type Control, TemperError } from '../../core/index.ts';
import { type ChosenData, type DataOptions, openData, type ViewOptions, type Views } from '../../data/index.ts';
import { dependenceText, pictureNotes } from '../../evaluate/index.ts';
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
  type PerModel,
  type TransformChoice,
  transformsFor,
  valueFor,
} from '../../signature/index.ts';
import { openStore, type Store, type StoreRun, samplesHash, type Teacher } from '../store/index.ts';
import { decideKinds, kindRows } from './decide-kinds.ts';
import { describeTeacher, type TeacherStages, teacherNames, teacherStages } from './describe-teacher.ts';
import { declaredTemperatures, planRun, type TargetForm, type ViewPlan } from './plan-run.ts';
import { type Probe, type ProbeJob, probeBatches, probeTeachers } from './probe.ts';
import { assertReplayable } from './replayed-views.ts';
import type { TeacherOutputs, TeacherStage } from './teacher-stage.ts';

/** Whose targets of which images are made, and what is stored of them. */
export interface TeacherOptions extends RuntimeOptions, TargetForm {
  /** ONNX classifiers; they run side by side on images that are decoded once. */
  readonly teachers: readonly string[];
  /** The images. Labels are not needed; with them every teacher's accuracy is measured on the way. */
  readonly data: DataOptions;
  /** From an image to the network's input: for all teachers, or one for each. @default what is found (docs/preprocessing.md), else torchvision's preset */
  readonly transform?: PerModel<TransformChoice> | undefined;
  /** Training views of each image, drawn by the seed. @default the evaluation transform, once */
  readonly views?: ViewOptions | undefined;
  /** A store whose views are made again, for other teachers; excludes `views`. */
  readonly viewsFrom?: string | undefined;
  /** What the teachers give. Of probabilities ln p is stored, of sigmoid scores ln(p/(1-p)). @default 'auto': told by the graph, else by all values of 1,024 images */
  readonly outputs?: 'auto' | TeacherOutputs | undefined;
  /**
   * Where a teacher's classes are not the data's, or in another order: a file that names the index of each class in its output
   * (`name<TAB>index` lines, one name a line, or JSON: ["name", …], {"name": index}). For all teachers, or one for each;
   * undefined stores all outputs in their order.
   */
  readonly classMap?: PerModel<string | undefined> | undefined;
  /** Stop at an image that cannot be decoded, or give it rows without targets and list it. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Of the views, and of the choice of `limit`. @default 0 */
  readonly seed?: number | undefined;
}

/** How a teacher was read, each fact with its source. */
export interface TeacherReading {
  readonly model: string;
  readonly reading: ModelReading;
}

/** A run that is known in all detail, and not begun. */
export interface PreparedTargets extends TeacherStages {
  readonly run: StoreRun;
  readonly chosen: ChosenData;
  readonly viewsFrom: Store | undefined;
  readonly readings: readonly TeacherReading[];
  /** Decoding threads. */
  readonly workers: number;
  /** What a batch takes, overlapped; undefined for short jobs. */
  readonly msPerBatch: number | undefined;
  /** What is odd about the pictures of the first batch and the transforms; said as notes already. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/** The views that options ask for, or those of another store. @throws TemperError USAGE, MISMATCH_VALUE, INPUT_* */
function viewPlan(
  { views, viewsFrom, seed = 0 }: TeacherOptions,
  samples: string,
): { plan: ViewPlan; from: Store | undefined } {
  if (viewsFrom === undefined) {
    const plan = { views: views?.count ?? 1, seed, augment: views?.augment ?? null, views_from: null };
    return { plan, from: undefined };
  }
  if (views) {
    throw new TemperError('USAGE', '`viewsFrom` says what the views are: `views` and `augment` have no use', {
      hint: 'Leave them out.',
    });
  }
  const from = openStore(viewsFrom);
  assertReplayable(from, samples);
  const { manifest } = from;
  const run = manifest.files['run.json']?.sha256 ?? null;
  const plan = { views: manifest.views, seed: manifest.seed, augment: manifest.augment, views_from: run };
  return { plan, from };
}

/** Says of which teachers an image alone has other logits than in a batch. */
function noteDependence(teachers: readonly TeacherStage[], probe: Probe, note: Control['note']): void {
  for (const [i, stage] of teachers.entries()) {
    const text = dependenceText(stage, probe.batchDependence[i] ?? 0);
    if (text !== undefined) note(`${stage.name}: ${text}; another \`batch\` gives other targets`);
  }
}

async function describeRun(
  options: TeacherOptions,
  chosen: ChosenData,
  sessions: readonly Session[],
  { note, signal }: Pick<Control, 'note' | 'signal'>,
): Promise<Omit<PreparedTargets, 'close'>> {
  const { dataset, rows } = chosen;
  const { onBadImage = 'fail', outputs = 'auto' } = options;
  const samples = samplesHash(dataset, rows);
  const { plan, from } = viewPlan(options, samples);
  const given = transformsFor(sessions, chosen, options, note);
  const stages = teacherStages(options.teachers, sessions, given, chosen, options);
  const fixed = sessions.map((session) =>
    dataset.kind === 'tensor' ? undefined : modelInput(session, options.input).batch,
  );
  // `batch` counts what the networks get: with views that many inputs come from fewer images.
  const batch = Math.max(1, Math.floor(batchOf(options, fixed) / plan.views));
  const workers = workersOf(options);
  const { augment, seed } = plan;
  const views: Views | undefined = augment === null ? undefined : { augment, count: plan.views, seed };
  const job: ProbeJob = { dataset, rows, ...stages, views, batch, workers, onBadImage, signal };
  const probe = await probeTeachers(job);
  const kinds = await decideKinds(stages.teachers, outputs === 'auto' ? undefined : outputs, () =>
    probeBatches({ ...job, rows: kindRows(dataset, rows) }),
  );
  const names = teacherNames(options.teachers);
  const teachers: Teacher[] = [];
  const readings: TeacherReading[] = [];
  for (const [i, path] of options.teachers.entries()) {
    const found = probe.teachers[i] as Probe['teachers'][number];
    // Log-probabilities serve as logits: softmax(log p) = p.
    const kind = kinds[i] === 'log-probabilities' ? 'logits' : (kinds[i] as TeacherOutputs);
    const stage = stages.teachers[i] as TeacherStage;
    teachers.push(await describeTeacher(path, names[i] as string, i, stage, given[i], { ...found, outputs: kind }));
    const choice = valueFor(options.transform ?? {}, i, sessions.length, 'transform');
    const ran = { kind, classes: found.classes, source: 'the first images' };
    const reading = sessionReading(stage.session, options, ran, { transform: given[i], choice });
    readings.push({ model: names[i] as string, reading });
    const known = { ...modelClasses(stage.session, options.output), count: found.classes };
    assertLabels(dataset, known, { matched: stage.classMap !== null });
  }
  const run = planRun(options, { chosen, samples, batch, views: plan, teachers });
  noteDependence(stages.teachers, probe, note);
  // Crops of training are no sign of what the network was trained on.
  const warnings = views ? [] : pictureNotes(probe.sources, stages.transforms);
  for (const text of warnings) note(text);
  return { run, chosen, ...stages, viewsFrom: from, workers, readings, msPerBatch: probe.msPerBatch, warnings };
}

/**
 * Opens data and teachers, runs the first images, and says in full what the store will be made from. What can be refused
 * is refused here. The caller closes it.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, MISMATCH_*, UNSUPPORTED_*, EXECUTION_*, NUMERIC_NONFINITE
 */
export async function prepareTargets(
  options: TeacherOptions,
  control: Pick<Control, 'note' | 'signal'>,
): Promise<PreparedTargets> {
  declaredTemperatures(options);
  const { data, seed } = options;
  const chosen = await openData({ seed, ...data }, { labelled: false, signal: control.signal });
  let sessions: readonly Session[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sessions.map((session) => session.close()));
    await chosen.dataset.close();
  };
  try {
    sessions = await openSessions(options.teachers, options, control.note);
    return { ...(await describeRun(options, chosen, sessions, control)), close };
  } catch (error) {
    await close();
    throw error;
  }
}
