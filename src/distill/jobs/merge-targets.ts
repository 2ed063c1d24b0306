import { join } from 'node:path';
import { type Control, controlOf, type JobControl, type Progress, sha256OfFile } from '../../core/index.ts';
import {
  type BadSample,
  checkParts,
  MANIFEST_FILE,
  type Manifest,
  publishManifest,
  type StoreFields,
  storeBytes,
  storeFields,
  type TeacherFields,
  teacherFields,
} from '../store/index.ts';

/** Whether teachers are good enough for their targets to be used. */
export type TeacherGate = (teachers: readonly TeacherFields[]) => boolean;

/** What `mergeTargets` completes. */
export interface MergeTargetsOptions {
  /** The folder that the workers wrote to. */
  readonly store: string;
  /** Told how the teachers did; false leaves the parts as they are, without a manifest. @default always true */
  readonly gate?: TeacherGate | undefined;
}

/** A store of which all parts are there and whole. */
export interface MergeTargetsRecord {
  readonly fields: StoreFields;
  readonly teachers: readonly TeacherFields[];
  /** False where the gate said no. */
  readonly complete: boolean;
  /** Of the manifest: the store as a whole. Null unless it is complete. */
  readonly manifestSha256: string | null;
  /** Of all files but the manifest. */
  readonly bytes: number;
  /** Images that could not be decoded: rows without targets. */
  readonly badImages: readonly BadSample[];
}

/** Checks all parts, bar and all. */
async function checkedParts(folder: string, { progress, signal }: Control): Promise<Manifest> {
  let bar: Progress | undefined;
  const onProgress = (parts: number, all: number): void => {
    bar ??= progress(`checking ${folder}`, all);
    bar.update(parts);
  };
  try {
    return await checkParts(folder, { signal, onProgress });
  } finally {
    bar?.end();
  }
}

/** Writes the manifest of a store whose parts are whole, unless the gate says no. */
export async function completeStore(
  folder: string,
  manifest: Manifest,
  gate: TeacherGate = () => true,
): Promise<MergeTargetsRecord> {
  const teachers = teacherFields(manifest, manifest.scores);
  const complete = gate(teachers);
  if (complete) publishManifest(folder, manifest);
  return {
    fields: storeFields(folder, manifest),
    teachers,
    complete,
    manifestSha256: complete ? await sha256OfFile(join(folder, MANIFEST_FILE)) : null,
    bytes: storeBytes(manifest),
    badImages: manifest.bad_images,
  };
}

/**
 * Checks that all parts of all workers are there and whole (coverage, hashes, structure, that each row is of its sample), and
 * completes the store: writes its manifest. Memory: the samples of one part.
 * @throws TemperError INPUT_NOT_FOUND (no store; missing parts, by number), FORMAT_MALFORMED (a file that is not what was
 * recorded), MISMATCH_VALUE (a part of another run), OUTPUT_*; the signal's reason
 * @example
 * const { fields, teachers, complete } = await mergeTargets({ store: 'targets/' });
 * console.log(complete, fields.n_rows, teachers.map(({ model, top1 }) => [model, top1]));
 */
export async function mergeTargets(
  { store, gate }: MergeTargetsOptions,
  control: JobControl = {},
): Promise<MergeTargetsRecord> {
  return completeStore(store, await checkedParts(store, controlOf(control)), gate);
}
