import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { TemperError, canonicalJson, version } from '../../src/core/index.ts';
import { type Transform, type Views, assertClassCount, readClassMap, transformHash } from '../../src/data/index.ts';
import { FORMAT, FORMAT_VERSION, type Probe, type Store, type StoreRun, type Teacher, type TeacherStage, assertReplayable, classOutputs, defaultRowsPerPart, openStore, probeTeachers, rowBytes, samplesHash, teacherColumns } from '../../src/distill/index.ts';
import { modelHashes, openModel } from '../../src/onnx/index.ts';
import { type Session, classOutput } from '../../src/runtime/index.ts';
import { imageInput } from '../../src/signature/index.ts';
import { transformsFor } from '../eval-ckpt/evaluate-models.ts';
import { type ChosenData, type DataArguments, openData } from '../shared/data-options.ts';
import { batchOf, openSessions, type RuntimeArguments, workersOf } from '../shared/runtime-options.ts';
import { modelInput, type TransformArguments, valueFor } from '../shared/transform-options.ts';
import { type ViewArguments, viewOptions } from '../shared/view-options.ts';
import { checkRowsPerPart, checkTopK, formOf, parseTemperatures, type TargetArguments } from './target-options.ts';

export interface TargetJobArguments
  extends TargetArguments,
    DataArguments,
    ViewArguments,
    TransformArguments,
    RuntimeArguments {
  readonly 'views-from'?: string | undefined;
  readonly 'on-bad-image': 'fail' | 'skip';
}

/** A run that is known in all detail, and not begun. */
export interface TargetJob {
  readonly run: StoreRun;
  readonly chosen: ChosenData;
  readonly teachers: readonly TeacherStage[];
  readonly transforms: readonly Transform[];
  readonly viewsFrom: Store | undefined;
  readonly workers: number;
  readonly msPerBatch: number | undefined;
  close(): Promise<void>;
}

type ViewPlan = Pick<StoreRun, 'views' | 'seed' | 'augment' | 'views_from'>;

/** The views that options ask for, or those of another store. @throws TemperError USAGE, MISMATCH_VALUE, INPUT_* */
function viewPlan(args: TargetJobArguments, samples: string): { plan: ViewPlan; from: Store | undefined } {
  const views = viewOptions(args);
  const path = args['views-from'];
  if (path === undefined) {
    const plan = { views: views?.count ?? 1, seed: args.seed ?? 0, augment: views?.augment ?? null, views_from: null };
    return { plan, from: undefined };
  }
  if (views) {
    throw new TemperError('USAGE', '--views-from says what the views are: --augment, --views and --scale have no use', {
      hint: 'Leave them out.',
    });
  }
  const from = openStore(path);
  assertReplayable(from, samples);
  const { manifest } = from;
  const run = manifest.files['run.json']?.sha256 ?? null;
  const plan = { views: manifest.views, seed: manifest.seed, augment: manifest.augment, views_from: run };
  return { plan, from };
}

/** Which outputs of model i of n the classes of the data are; null: all, in order. @throws TemperError MISMATCH_VALUE, FORMAT_TABLE, INPUT_*, USAGE */
export function classMapOf(
  args: { readonly 'class-map'?: unknown },
  { dataset }: ChosenData,
  i: number,
  n: number,
): readonly number[] | null {
  const path = valueFor(args, 'class-map', i, n);
  return path === undefined || path === 'none' ? null : classOutputs(readClassMap(path), dataset.classes);
}

const jsonHash = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

async function describeTeacher(
  path: string,
  index: number,
  stage: TeacherStage,
  transform: Transform | undefined,
  { classes, channels, outputs }: Probe['teachers'][number],
): Promise<Teacher> {
  const model = openModel(path);
  try {
    const { sha256, data = [] } = await modelHashes(model);
    return {
      index,
      name: basename(path),
      sha256,
      external_data: data,
      n_classes: classes,
      channels,
      input: stage.input.name,
      output: stage.output.name,
      outputs,
      provider: stage.session.provider,
      onnxruntime: stage.session.ortVersion,
      transform: transform ?? null,
      transform_sha256: transform ? transformHash(transform) : null,
      class_map: stage.classMap,
      class_map_sha256: stage.classMap === null ? null : jsonHash(stage.classMap),
    };
  } finally {
    model.close();
  }
}

/** Sessions as stages; teachers with the same transform share its inputs. */
function stagesOf(
  paths: readonly string[],
  sessions: readonly Session[],
  transforms: readonly Transform[],
  chosen: ChosenData,
  args: TargetJobArguments,
): { teachers: TeacherStage[]; distinct: Transform[] } {
  const hashes = transforms.map(transformHash);
  const kinds = [...new Set(hashes)];
  const teachers = sessions.map((session, i) => ({
    name: paths[i] as string,
    session,
    input: imageInput(session, args.input),
    output: classOutput(session, args.output),
    images: Math.max(0, kinds.indexOf(hashes[i] ?? '')),
    classMap: classMapOf(args, chosen, i, sessions.length),
  }));
  return { teachers, distinct: kinds.map((hash) => transforms[hashes.indexOf(hash)] as Transform) };
}

async function describeJob(
  paths: readonly string[],
  args: TargetJobArguments,
  chosen: ChosenData,
  sessions: readonly Session[],
  signal: AbortSignal,
): Promise<Omit<TargetJob, 'close'>> {
  const { dataset, rows } = chosen;
  const samples = samplesHash(dataset, rows);
  const { plan, from } = viewPlan(args, samples);
  const transforms = transformsFor(sessions, chosen, args);
  const { teachers, distinct } = stagesOf(paths, sessions, transforms, chosen, args);
  const fixed = sessions.map((session) =>
    dataset.kind === 'tensor' ? undefined : modelInput(session, args.input).batch,
  );
  // --batch counts what the networks get: with views that many inputs come from fewer images.
  const batch = Math.max(1, Math.floor(batchOf(args, fixed) / plan.views));
  const workers = workersOf(args);
  const views: Views | undefined =
    plan.augment === null ? undefined : { ...plan, augment: plan.augment, count: plan.views };
  const probe = await probeTeachers({
    dataset,
    rows,
    teachers,
    views,
    batch,
    workers,
    signal,
    transforms: distinct,
    onBadImage: args['on-bad-image'],
  });
  const described: Teacher[] = [];
  for (const [i, path] of paths.entries()) {
    const found = probe.teachers[i] as Probe['teachers'][number];
    const outputs = args.outputs === 'auto' ? found.outputs : args.outputs;
    const stage = teachers[i] as TeacherStage;
    described.push(await describeTeacher(path, i, stage, transforms[i], { ...found, outputs }));
    if (dataset.labelled) assertClassCount(dataset, found.classes);
  }
  const topK = args['top-k'] as number | undefined;
  checkTopK(topK, described);
  const form = {
    ...formOf(topK),
    store_dtype: args['store-dtype'],
    temperatures: parseTemperatures(args.temperatures),
  };
  const n_rows = rows.length * plan.views;
  const largest = Math.max(...described.map((teacher) => rowBytes(teacherColumns(form, teacher))));
  const rows_per_part = (args['rows-per-shard'] as number | undefined) ?? defaultRowsPerPart(plan.views, largest);
  checkRowsPerPart(rows_per_part, plan.views, n_rows);
  const run: StoreRun = {
    format: FORMAT,
    version: FORMAT_VERSION,
    tool: { name: 'onnx-temper', version },
    n_samples: rows.length,
    n_rows,
    rows_per_part,
    n_parts: Math.ceil(n_rows / rows_per_part),
    batch,
    ...form,
    ...plan,
    samples: { sha256: samples, format: dataset.format },
    data_sha256: dataset.tableHash(),
    classes: dataset.classes ?? null,
    teachers: described,
  };
  return { run, chosen, teachers, transforms: distinct, viewsFrom: from, workers, msPerBatch: probe.msPerBatch };
}

/**
 * Opens data and teachers, runs the first images, and says in full what the store will be made from. What can be refused
 * is refused here.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, MISMATCH_*, UNSUPPORTED_*, EXECUTION_*, NUMERIC_NONFINITE
 */
export async function prepareTargets(
  paths: readonly string[],
  args: TargetJobArguments,
  { say, signal }: { readonly say: (text: string) => void; readonly signal: AbortSignal },
): Promise<TargetJob> {
  parseTemperatures(args.temperatures);
  const chosen = await openData(args, { labelled: false });
  let sessions: readonly Session[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sessions.map((session) => session.close()));
    await chosen.dataset.close();
  };
  try {
    sessions = await openSessions(paths, args, say);
    return { ...(await describeJob(paths, args, chosen, sessions, signal)), close };
  } catch (error) {
    await close();
    throw error;
  }
}
