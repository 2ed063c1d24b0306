import { type Control, TemperError } from '../../core/index.ts';
import { type ChosenData, type DataOptions, openData, type ViewOptions, type Views } from '../../data/index.ts';
import {
  batchOf,
  modelClasses,
  openSessions,
  type RuntimeOptions,
  type Session,
  workersOf,
} from '../../runtime/index.ts';
import { assertLabels, modelInput, type PerModel, type TransformChoice, transformsFor } from '../../signature/index.ts';
import { openStore, type Store, type StoreRun, samplesHash, type Teacher } from '../store/index.ts';
import { describeTeacher, type TeacherStages, teacherNames, teacherStages } from './describe-teacher.ts';
import { declaredTemperatures, planRun, type TargetForm, type ViewPlan } from './plan-run.ts';
import { type Probe, probeTeachers } from './probe.ts';
import { assertReplayable } from './replayed-views.ts';
import type { TeacherOutputs, TeacherStage } from './teacher-stage.ts';
import { logitTolerance } from './tolerance.ts';

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
  /** What the teachers give. Of probabilities ln p is stored, of sigmoid scores ln(p/(1-p)). @default 'auto': told by the graph, else by the first batch */
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

/** A run that is known in all detail, and not begun. */
export interface PreparedTargets extends TeacherStages {
  readonly run: StoreRun;
  readonly chosen: ChosenData;
  readonly viewsFrom: Store | undefined;
  /** Decoding threads. */
  readonly workers: number;
  /** What a batch takes, overlapped; undefined for short jobs. */
  readonly msPerBatch: number | undefined;
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
    const found = probe.batchDependence[i] ?? 0;
    if (found <= logitTolerance(stage)) continue;
    note(
      `${stage.name}: its logits depend on the batch (by up to ${found.toPrecision(2)} of a row's range), as those of dynamically ` +
        'quantized networks do; another `batch` gives other targets',
    );
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
  const probe = await probeTeachers({ dataset, rows, ...stages, views, batch, workers, onBadImage, signal });
  const names = teacherNames(options.teachers);
  const teachers: Teacher[] = [];
  for (const [i, path] of options.teachers.entries()) {
    const found = probe.teachers[i] as Probe['teachers'][number];
    const kind = outputs === 'auto' ? found.outputs : outputs;
    const stage = stages.teachers[i] as TeacherStage;
    teachers.push(await describeTeacher(path, names[i] as string, i, stage, given[i], { ...found, outputs: kind }));
    const known = { ...modelClasses(stage.session, options.output), count: found.classes };
    assertLabels(dataset, known, { matched: stage.classMap !== null });
  }
  const run = planRun(options, { chosen, samples, batch, views: plan, teachers });
  noteDependence(stages.teachers, probe, note);
  return { run, chosen, ...stages, viewsFrom: from, workers, msPerBatch: probe.msPerBatch };
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
  const chosen = await openData({ seed, ...data }, { labelled: false });
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
