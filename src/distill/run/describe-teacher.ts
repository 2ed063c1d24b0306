import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { canonicalJson, shortNames, TemperError } from '../../core/index.ts';
import { type ChosenData, readClassMap, type Transform, transformHash } from '../../data/index.ts';
import { modelHashes, openModel } from '../../onnx/index.ts';
import { classOutput, type RuntimeOptions, type Session } from '../../runtime/index.ts';
import { imageInput, type PerModel, valueFor } from '../../signature/index.ts';
import type { Store, Teacher } from '../store/index.ts';
import { classOutputs } from './class-outputs.ts';
import type { Probe } from './probe.ts';
import type { TeacherOutputs, TeacherStage } from './teacher-stage.ts';

/** Teachers ready to run, and the distinct transforms that they take ({@link TeacherStage.images}); none for ready tensors. */
export interface TeacherStages {
  readonly teachers: readonly TeacherStage[];
  readonly transforms: readonly Transform[];
}

/** Teachers with the same transform share its inputs. */
function distinctTransforms(transforms: readonly (Transform | undefined)[]) {
  const distinct = new Map<string, Transform>();
  const hashes = transforms.map((transform) => (transform ? transformHash(transform) : ''));
  for (const [i, transform] of transforms.entries()) {
    const hash = hashes[i] as string;
    if (transform && !distinct.has(hash)) distinct.set(hash, transform);
  }
  const places = [...distinct.keys()];
  return {
    transforms: [...distinct.values()],
    placeOf: (i: number): number => Math.max(0, places.indexOf(hashes[i] as string)),
  };
}

/**
 * Which outputs of a network the classes of the data are; null: all, in order.
 * @param path a class map: `name<TAB>index` lines, one name a line, or JSON
 * @throws TemperError MISMATCH_VALUE, FORMAT_TABLE, INPUT_*
 */
export function readClassOutputs(
  path: string | undefined,
  { dataset }: Pick<ChosenData, 'dataset'>,
): readonly number[] | null {
  return path === undefined ? null : classOutputs(readClassMap(path), dataset.classes);
}

interface StageChoice extends Pick<RuntimeOptions, 'input' | 'output'> {
  readonly classMap?: PerModel<string | undefined> | undefined;
}

/** Sessions as stages. @throws TemperError USAGE, UNSUPPORTED_*, MISMATCH_VALUE, FORMAT_TABLE, INPUT_* */
export function teacherStages(
  paths: readonly string[],
  sessions: readonly Session[],
  given: readonly (Transform | undefined)[],
  chosen: ChosenData,
  { input, output, classMap }: StageChoice,
): TeacherStages {
  const { transforms, placeOf } = distinctTransforms(given);
  const teachers = sessions.map((session, i) => ({
    name: paths[i] as string,
    session,
    input: imageInput(session, input),
    output: classOutput(session, output),
    images: placeOf(i),
    classMap: readClassOutputs(valueFor(classMap, i, sessions.length, 'classMap'), chosen),
  }));
  return { teachers, transforms };
}

/** The store's teachers as they ran, by its manifest: no option changes how. @throws TemperError USAGE, UNSUPPORTED_* */
export function storedStages({ manifest }: Store, sessions: readonly Session[]): TeacherStages {
  const { transforms, placeOf } = distinctTransforms(manifest.teachers.map(({ transform }) => transform ?? undefined));
  const teachers = manifest.teachers.map(({ name, input, output, class_map }, i) => {
    const session = sessions[i] as Session;
    return {
      name,
      session,
      input: imageInput(session, input),
      output: classOutput(session, output),
      images: placeOf(i),
      classMap: class_map,
    };
  });
  return { teachers, transforms };
}

const jsonHash = (value: unknown): string => createHash('sha256').update(canonicalJson(value)).digest('hex');

/** Hashes of a model: its file, and each of its data files. @throws TemperError FORMAT_*, INPUT_* */
async function hashesOf(path: string): Promise<Pick<Teacher, 'sha256' | 'external_data'>> {
  const model = openModel(path);
  try {
    const { sha256, data = [] } = await modelHashes(model);
    return { sha256, external_data: data };
  } finally {
    model.close();
  }
}

/** What a store calls teachers: by file, by folder where all files have one name; never by where they lie on this machine. */
export function teacherNames(paths: readonly string[]): string[] {
  const names = shortNames(paths);
  return names.some((name, i) => name === paths[i]) ? paths.map((path) => basename(path)) : names;
}

/** A teacher as the store records it, by {@link teacherNames}. @throws TemperError FORMAT_*, INPUT_* */
export async function describeTeacher(
  path: string,
  name: string,
  index: number,
  stage: TeacherStage,
  transform: Transform | undefined,
  { classes, channels, outputs }: Probe['teachers'][number] & { readonly outputs: TeacherOutputs },
): Promise<Teacher> {
  const { sha256, external_data } = await hashesOf(path);
  return {
    index,
    name,
    sha256,
    external_data,
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
}

/** The models must be those whose targets are stored. @throws TemperError USAGE, MISMATCH_VALUE, FORMAT_*, INPUT_* */
export async function assertTeachers({ manifest, folder }: Store, paths: readonly string[]): Promise<void> {
  if (paths.length !== manifest.teachers.length) {
    throw new TemperError('USAGE', `${paths.length} teachers, ${folder} has targets of ${manifest.teachers.length}`, {
      hint: `Name them all, in this order: ${manifest.teachers.map(({ name }) => name).join(', ')}.`,
    });
  }
  for (const [i, path] of paths.entries()) {
    const expected = manifest.teachers[i] as Teacher;
    const lines = ({ sha256, external_data }: Pick<Teacher, 'sha256' | 'external_data'>): string[] => [
      sha256,
      ...external_data.map((one) => one.sha256),
    ];
    const [found, wanted] = [lines(await hashesOf(path)), lines(expected)];
    if (found.join() === wanted.join()) continue;
    throw new TemperError('MISMATCH_VALUE', `${path}: is not the teacher of the store, ${expected.name}`, {
      hint: 'Name the model that the targets were made with.',
      details: { path, found, expected: wanted },
    });
  }
}
