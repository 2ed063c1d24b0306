import { join } from 'node:path';
import { makeFolder, openAtomic, writeFileAtomic, writeSafetensors } from '../../core/index.ts';
import { allocateColumns, type Column, type ColumnArrays, teacherColumns, viewColumns } from './columns.ts';
import { arrayPaths, partRange, sidecarPath, storeFolders } from './layout.ts';
import {
  type BadSample,
  type FileRecord,
  FORMAT,
  FORMAT_VERSION,
  type StoreRun,
  type TeacherScore,
} from './manifest.ts';

/** The data of a file begins at a multiple of it: rows are aligned for every reader. */
const ALIGNMENT = 64;

/** What the files of a part say they are. */
export const PART_METADATA: ReadonlyMap<string, string> = new Map([
  ['format', FORMAT],
  ['version', String(FORMAT_VERSION)],
]);

/** The columns of each file of a part, in the order of arrayPaths. */
export function partColumns(run: StoreRun): Column[][] {
  return [viewColumns(run), ...run.teachers.map((teacher) => teacherColumns(run, teacher))];
}

/** The arrays of a part before they are written: the views', then each teacher's. Memory: the size of the part. */
export function allocatePart(run: StoreRun, part: number): ColumnArrays[] {
  const { first, end } = partRange(run, part);
  return partColumns(run).map((columns) => allocateColumns(columns, end - first));
}

function writeArrays(
  folder: string,
  path: string,
  columns: readonly Column[],
  arrays: ColumnArrays,
  rows: number,
): FileRecord {
  const file = openAtomic(join(folder, path));
  try {
    const tensors = columns.map(({ name, dtype, shape }) => ({
      name,
      dtype,
      shape: [rows, ...shape],
      data: arrays[name] as ArrayBufferView,
    }));
    writeSafetensors(file, tensors, PART_METADATA, ALIGNMENT);
    const record = { sha256: file.sha256(), bytes: file.size };
    // The same bytes, should another worker have made the part meanwhile.
    file.publish({ force: true });
    return record;
  } finally {
    file.discard();
  }
}

/** Makes the folders of a store. @throws TemperError OUTPUT_WRITE */
export function makeFolders(folder: string, run: Pick<StoreRun, 'teachers'>): void {
  for (const name of ['', ...storeFolders(run)]) makeFolder(join(folder, name));
}

/** What is known of a part beside its arrays. */
export interface PartFacts {
  readonly scores: readonly TeacherScore[] | null;
  readonly bad_images: readonly BadSample[];
}

/**
 * Writes a part: its arrays, each whole or not at all, and then its sidecar, which makes it count as done. The bytes
 * depend on the run and the arrays alone.
 * @param runHash SHA-256 of run.json
 * @throws TemperError OUTPUT_WRITE
 */
export function writePart(
  folder: string,
  run: StoreRun,
  runHash: string,
  part: number,
  arrays: readonly ColumnArrays[],
  facts: PartFacts,
): void {
  const { first, end } = partRange(run, part);
  const columns = partColumns(run);
  const files = Object.fromEntries(
    arrayPaths(run, part).map((path, i) => [
      path,
      writeArrays(folder, path, columns[i] as Column[], arrays[i] as ColumnArrays, end - first),
    ]),
  );
  const sidecar = {
    part,
    n_parts: run.n_parts,
    first_row: first,
    n_rows: end - first,
    run: runHash,
    files,
    scores: facts.scores,
    bad_images: facts.bad_images,
  };
  writeFileAtomic(join(folder, sidecarPath(part, run.n_parts)), `${JSON.stringify(sidecar, null, 2)}\n`, {
    force: true,
  });
}
