import { createHash } from 'node:crypto';
import { TemperError } from '../../core/index.ts';
import type { ClassMap } from './class-map.ts';
import { type NumberedLabels, numberLabels, type RawLabels } from './labels.ts';

export const DATASET_FORMATS = [
  'folder',
  'flat',
  'csv',
  'tsv',
  'jsonl',
  'list',
  'webdataset',
  'parquet',
  'idx',
  'npy',
] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];

/** One row of the table. */
export interface Sample {
  readonly key: string;
  /** Class index, from 0; absent in an unlabelled data set. */
  readonly label?: number;
}

/** An image file's bytes, not decoded. The array is the caller's: it may be transferred to another thread. */
interface EncodedImage {
  readonly kind: 'encoded';
  readonly bytes: Uint8Array;
  /** What messages call it: a path, or a place in an archive. */
  readonly path: string;
}

/** Decoded samples, 0..255, [height, width, channels], row-major. */
interface RawPixels {
  readonly kind: 'pixels';
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

/** Numbers ready for the network: no transform applies to them. */
export interface ReadyTensor {
  readonly kind: 'tensor';
  /** [channels, height, width]. */
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type SampleData = EncodedImage | RawPixels | ReadyTensor;

/** A table of samples in a fixed order, its images read one at a time. */
export interface Dataset {
  readonly format: DatasetFormat;
  /** The path that it was opened from. */
  readonly source: string;
  /** What read() gives for every row. */
  readonly kind: SampleData['kind'];
  /** Number of rows, at least 1. */
  readonly length: number;
  /** Whether every row has a label: all have one, or none. */
  readonly labelled: boolean;
  /** Names by class index, where names are known. */
  readonly classes?: readonly string[];
  /**
   * Where the names come from: a class map (or numbers that are folders' names, by `classes` numeric), the file's own metadata,
   * or the names that occur, sorted as torchvision does: by default (`names`), or because the user says so (`sorted`).
   */
  readonly classesFrom?: 'map' | 'metadata' | 'names' | 'sorted';
  /** @throws RangeError outside 0 ≤ row < length */
  sample(row: number): Sample;
  /** Reads one image; calls may overlap. */
  read(row: number): Promise<SampleData>;
  /** Where a row lies in its source, for messages: "row 7", "shard-0001.tar!0007". */
  describeRow(row: number): string;
  /** The archive that a row lies in; of data sets in archives alone. */
  readonly archiveOf?: (row: number) => string;
  /**
   * SHA-256 (hex) of the lines `["key",label]\n` (JSON, UTF-8, null where unlabelled) in table order: equal for two
   * sources that list the same keys and labels in the same order, whatever their formats.
   */
  tableHash(): string;
  close(): Promise<void>;
}

/** What one format contributes; dataset() makes the table of it. Columns, not objects: a million rows stay cheap. */
export interface SampleSource {
  readonly format: DatasetFormat;
  readonly path: string;
  readonly kind: SampleData['kind'];
  readonly length: number;
  /** Absent: keys are zero-padded ordinals, for array formats. */
  readonly keys?: readonly string[];
  readonly labels?: RawLabels;
  /** Why there are no labels, where one would expect them: "no column named label, class, …; columns: …". */
  readonly unlabelled?: string;
  describeRow(row: number): string;
  readonly archiveOf?: (row: number) => string;
  read(row: number): Promise<SampleData>;
  close?(): Promise<void>;
}

/** Keys of array formats have this many digits in every data set, so that a row's key does not depend on the length. */
const ORDINAL_DIGITS = 9;
const MAX_ORDINAL = 10 ** ORDINAL_DIGITS;

function duplicateKey(source: SampleSource, key: string, row: number): TemperError {
  const first = (source.keys as readonly string[]).indexOf(key);
  return new TemperError(
    'FORMAT_TABLE',
    `${source.path}: the key "${key}" occurs twice: ${source.describeRow(first)} and ${source.describeRow(row)}`,
    {
      hint: 'Give every sample its own name: results, targets and seeds are addressed by key.',
      details: { path: source.path, key, rows: [first, row] },
    },
  );
}

function assertKeys(source: SampleSource): void {
  if (source.length === 0) {
    throw new TemperError('INPUT_TOO_FEW', `${source.path}: no samples`, {
      hint: 'Name a data set with at least one image.',
      details: { path: source.path },
    });
  }
  if (source.length > MAX_ORDINAL) {
    throw new TemperError('FORMAT_LIMIT', `${source.path}: ${source.length} samples, at most ${MAX_ORDINAL}`, {
      hint: 'Split the data set.',
      details: { path: source.path },
    });
  }
  const seen = new Set<string>();
  for (const [row, key] of (source.keys ?? []).entries()) {
    if (seen.has(key)) throw duplicateKey(source, key, row);
    seen.add(key);
  }
}

/**
 * Makes the table: checks that keys are unique and numbers the labels.
 * @param labels replaces the source's own labels
 * @throws TemperError INPUT_TOO_FEW, FORMAT_LIMIT, FORMAT_TABLE (duplicate key), FORMAT_LABEL
 */
export function dataset(source: SampleSource, labels: RawLabels | undefined, classMap: ClassMap | undefined): Dataset {
  assertKeys(source);
  const raw = labels ?? source.labels;
  const { length, keys } = source;
  const key = (row: number): string => (keys ? (keys[row] as string) : String(row).padStart(ORDINAL_DIGITS, '0'));
  const describe = (row: number): string =>
    keys ? `${source.describeRow(row)} (key "${key(row)}")` : source.describeRow(row);
  const numbered: NumberedLabels | undefined = raw && numberLabels(raw, source.path, describe, classMap);
  const assertRow = (row: number): void => {
    if (!Number.isInteger(row) || row < 0 || row >= length) throw new RangeError(`row ${row} of ${length}`);
  };
  let hash: string | undefined;
  return {
    format: source.format,
    source: source.path,
    kind: source.kind,
    length,
    labelled: numbered !== undefined,
    ...(numbered?.classes && { classes: numbered.classes, classesFrom: numbered.classesFrom ?? 'names' }),
    sample(row) {
      assertRow(row);
      return numbered ? { key: key(row), label: numbered.labels[row] as number } : { key: key(row) };
    },
    async read(row) {
      assertRow(row);
      return source.read(row);
    },
    describeRow: describe,
    ...(source.archiveOf && { archiveOf: source.archiveOf }),
    tableHash() {
      hash ??= hashOf(length, (row) => [key(row), numbered?.labels[row]]);
      return hash;
    },
    close: async () => source.close?.(),
  };
}

/** Of the lines `["key",label]\n`. */
function hashOf(length: number, line: (row: number) => readonly [key: string, label: number | undefined]): string {
  const sha = createHash('sha256');
  for (let row = 0; row < length; row++) {
    const [key, label] = line(row);
    sha.update(`${JSON.stringify([key, label ?? null])}\n`);
  }
  return sha.digest('hex');
}

/**
 * The same images with the classes of another list.
 * @param classOf by each class of the table, its index in `classes`
 */
export function relabelled(table: Dataset, classOf: readonly number[], classes: readonly string[]): Dataset {
  const sample = (row: number): Sample => {
    const { key, label } = table.sample(row);
    return label === undefined ? { key } : { key, label: classOf[label] as number };
  };
  let hash: string | undefined;
  return {
    ...table,
    classes,
    classesFrom: 'map',
    sample,
    tableHash() {
      hash ??= hashOf(table.length, (row) => [sample(row).key, sample(row).label]);
      return hash;
    },
  };
}
