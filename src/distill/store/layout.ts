import type { StoreRun } from './manifest.ts';

/** Rows of a part by default: some tens of megabytes of dense float16 targets for a thousand classes. */
const DEFAULT_ROWS = 16_384;
/** A part is made in memory: its targets of one teacher take at most this by default. */
const DEFAULT_PART_BYTES = 256 * 2 ** 20;
const PART_DIGITS = 5;

export const MANIFEST_FILE = 'manifest.json';
export const RUN_FILE = 'run.json';
export const SAMPLES_FILE = 'samples.csv';

/** Rows [first, end) of part `index`. A row is ordinal · views + view. */
export interface PartRange {
  readonly index: number;
  readonly first: number;
  readonly end: number;
}

type Rows = Pick<StoreRun, 'n_rows' | 'rows_per_part' | 'n_parts'>;

/** @throws RangeError for a part that the store does not have */
export function partRange({ n_rows, rows_per_part, n_parts }: Rows, index: number): PartRange {
  if (!Number.isInteger(index) || index < 0 || index >= n_parts) throw new RangeError(`part ${index} of ${n_parts}`);
  return { index, first: index * rows_per_part, end: Math.min((index + 1) * rows_per_part, n_rows) };
}

/** The default of rows_per_part: whole samples, about 16,384 rows, fewer where a row is large. */
export function defaultRowsPerPart(views: number, largestRowBytes: number): number {
  const rows = Math.min(DEFAULT_ROWS, Math.floor(DEFAULT_PART_BYTES / largestRowBytes));
  return Math.max(1, Math.floor(rows / views)) * views;
}

const partName = (index: number, count: number): string =>
  `part-${String(index).padStart(PART_DIGITS, '0')}-of-${String(count).padStart(PART_DIGITS, '0')}`;

export const sidecarPath = (index: number, count: number): string => `parts/${partName(index, count)}.json`;
const viewsPath = (index: number, count: number): string => `views/${partName(index, count)}.safetensors`;
const teacherPath = (teacher: number, index: number, count: number): string =>
  `teachers/${teacher}/${partName(index, count)}.safetensors`;

/** The arrays of a part, relative to the store: the views, then one file per teacher. */
export function arrayPaths({ n_parts, teachers }: Pick<StoreRun, 'n_parts' | 'teachers'>, part: number): string[] {
  return [viewsPath(part, n_parts), ...teachers.map(({ index }) => teacherPath(index, part, n_parts))];
}

/** The folders of a store, relative to it. */
export function storeFolders({ teachers }: Pick<StoreRun, 'teachers'>): string[] {
  return ['parts', 'views', 'teachers', ...teachers.map(({ index }) => `teachers/${index}`)];
}
