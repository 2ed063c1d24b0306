import { TemperError } from '../../core/index.ts';
import type { Dataset, DatasetFormat } from './dataset.ts';
import { openDataset } from './open-dataset.ts';
import { type RowRange, rowRangeText, selectRows } from './select-rows.ts';
import { splitRows } from './split-rows.ts';

/** A class-balanced half of a set's images, by SHA-256 of (seed, key): what chooses, or what reports and has chosen nothing. */
export interface SetPart {
  readonly seed: number;
  readonly take: 'choose' | 'report';
}

/** Which images a job reads. */
export interface DataOptions {
  /** Class folders, a folder, CSV/TSV/JSONL, a list of names and labels (`.txt`), `shard-{0000..0099}.tar`, `.parquet`, IDX, `.npy`. */
  readonly source: string;
  /** Labels of an array, as IDX or `.npy`. */
  readonly labels?: string | undefined;
  /** What `source` is. @default by its name */
  readonly format?: DatasetFormat | undefined;
  /**
   * Class map: a file that gives the index of each class name in the model's output; or `sorted` (names are numbered as text)
   * or `numeric` (names of folders are the indices).
   */
  readonly classes?: string | undefined;
  /** The split of a manifest that has several. */
  readonly split?: string | undefined;
  /** The column of a table that names the pictures. @default by its name: path, file, image, …, else id */
  readonly pathColumn?: string | undefined;
  /** The column of a table that holds the labels. @default by its name: label, class, target, … */
  readonly labelColumn?: string | undefined;
  /** Rows [start, end) in table order; without an end, to the last row. */
  readonly rows?: RowRange | undefined;
  /** At most so many images, chosen by the seed, class-balanced where there are labels. */
  readonly limit?: number | undefined;
  /** Of the choice of `limit`. @default 0 */
  readonly seed?: number | undefined;
  /** A half of these rows, a half of that half, and so on: one set for choices that build on each other, and for what none has seen. */
  readonly parts?: readonly SetPart[] | undefined;
}

/** Which rows of a table are read, for records: `0:600`, `0:600, half that reports (seed 0)`. */
export function rowsText({ rows, parts = [] }: Pick<DataOptions, 'rows' | 'parts'>): string | undefined {
  const halves = parts.map(({ seed, take }) => `half that ${take}s (seed ${seed})`);
  const texts = [...(rows ? [rowRangeText(rows)] : []), ...halves];
  return texts.length === 0 ? undefined : texts.join(', ');
}

/** The files and folders that data sets are named by: what an output must not be. */
export const dataFiles = (...sets: readonly (DataOptions | undefined)[]): string[] =>
  sets.flatMap((set) => [set?.source, set?.labels, set?.classes].filter((path) => path !== undefined));

/** An opened data set and the rows of it that a job reads, in table order. */
export interface ChosenData {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
}

interface Opening {
  /** Refuse a data set without labels. */
  readonly labelled: boolean;
  /** The job's option that names the set, for messages. @default 'data' */
  readonly as?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Fields of a set as messages name them, whichever set it is. */
const FIELD = /`(labels|format|classes|split|pathColumn|labelColumn|rows|limit)`/g;

/** Names the set that a remedy is for: `labels` of `val` are `val.labels`. */
function ofSet(error: unknown, set: string): unknown {
  if (!(error instanceof TemperError)) return error;
  const named = (text: string): string => text.replace(FIELD, `\`${set}.$1\``);
  const { code, message, hint, details, cause } = error;
  return new TemperError(code, named(message), {
    ...(hint === undefined ? {} : { hint: named(hint) }),
    details,
    cause,
  });
}

/** Opens the data set and chooses its rows; the caller closes it. @throws TemperError USAGE, INPUT_*, FORMAT_*; the signal's reason */
export async function openData(options: DataOptions, { as, ...opening }: Opening): Promise<ChosenData> {
  try {
    return await openRows(options, opening);
  } catch (error) {
    throw as === undefined ? error : ofSet(error, as);
  }
}

/** What is left of rows after each half of them is taken. @throws TemperError INPUT_TOO_FEW */
export function rowsOfParts(
  dataset: Pick<Dataset, 'sample'>,
  rows: Uint32Array,
  parts: readonly SetPart[],
): Uint32Array {
  return parts.reduce((left, { seed, take }) => {
    const { selection, report } = splitRows(dataset, left, seed);
    return take === 'choose' ? selection : report;
  }, rows);
}

async function openRows(options: DataOptions, { labelled, signal }: Omit<Opening, 'as'>): Promise<ChosenData> {
  const { source, rows, limit, seed, parts = [], ...how } = options;
  const dataset = await openDataset(source, { ...how, requireLabels: labelled, signal });
  try {
    const selected = selectRows(dataset, { rows, limit, seed });
    return { dataset, rows: rowsOfParts(dataset, selected, parts) };
  } catch (error) {
    await dataset.close();
    throw error;
  }
}

/** @throws TemperError USAGE unless the data set has images, which a transform can resize */
export function assertImages({ dataset }: ChosenData): void {
  if (dataset.kind !== 'tensor') return;
  throw new TemperError('USAGE', `${dataset.source}: numbers ready for the network have one size`, {
    hint: 'Name a data set of images.',
  });
}
