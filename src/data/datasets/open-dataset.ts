import { existsSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { readError, TemperError } from '../../core/index.ts';
import { expandBraces } from './brace-range.ts';
import { numberMap, readClassMap } from './class-map.ts';
import { DATASET_FORMATS, type Dataset, type DatasetFormat, dataset, type SampleSource } from './dataset.ts';
import { openIdxImages } from './idx-images.ts';
import { isImageName, type Listing, listFolder, walkImages } from './image-files.ts';
import { openFlatFolder, openImageFolder } from './image-folder.ts';
import { readLabelsFile } from './labels-file.ts';
import { openNpyImages } from './npy-images.ts';

export interface DatasetOptions {
  /** One of DATASET_FORMATS; by default what the path says. */
  readonly format?: string | undefined;
  /** A file of labels (IDX or .npy) in table order, instead of the source's own. */
  readonly labels?: string | undefined;
  /** A class map file; or how names are numbered: `sorted` (as text) or `numeric` (names of folders are the indices). */
  readonly classes?: string | undefined;
  /** The split of a manifest that has several. */
  readonly split?: string | undefined;
  /** Columns of a manifest, where their names do not say what they are. */
  readonly pathColumn?: string | undefined;
  readonly labelColumn?: string | undefined;
  /** Stops the reading of tables that take long. */
  readonly signal?: AbortSignal | undefined;
  /** Refuse a data set without labels. */
  readonly requireLabels?: boolean | undefined;
}

/** What a file's name says about its format. */
const BY_NAME: readonly (readonly [RegExp, DatasetFormat])[] = [
  [/\.csv$/i, 'csv'],
  [/\.tsv$/i, 'tsv'],
  [/\.(jsonl|ndjson)$/i, 'jsonl'],
  [/\.(txt|lst)$/i, 'list'],
  [/\.(tar|tgz|tar\.\w+)$/i, 'webdataset'],
  [/\.parquet$/i, 'parquet'],
  [/\.npy$/i, 'npy'],
  [/(idx\d-ubyte|\.idx\d?|ubyte)(\.gz)?$/i, 'idx'],
];

function formatOfName(name: string): DatasetFormat | undefined {
  return BY_NAME.find(([pattern]) => pattern.test(name))?.[1];
}

function usage(path: string, what: string, hint: string): TemperError {
  return new TemperError('USAGE', `${path}: ${what}`, { hint, details: { path } });
}

function formatOfFolder(path: string, { folders, files }: Listing): DatasetFormat {
  const images = files.filter(isImageName).length;
  const shards = new Set(files.map(formatOfName).filter((format) => format === 'webdataset' || format === 'parquet'));
  const classFolders = images === 0 ? folders : folders.filter((folder) => walkImages(path, folder).images.length > 0);
  const kinds: DatasetFormat[] = [
    ...(images > 0 ? ['flat' as const] : []),
    ...(classFolders.length > 0 ? ['folder' as const] : []),
    ...shards,
  ];
  if (kinds.length === 1) return kinds[0] as DatasetFormat;
  if (kinds.length === 0) {
    throw new TemperError(
      'INPUT_TOO_FEW',
      `${path}: no images, no class folders, no shards; ${files.length} other files`,
      {
        hint: 'Name the folder that holds the images or the class folders.',
        details: { path },
      },
    );
  }
  const found = `${images} images, ${classFolders.length} class folders and ${files.length - images} other files`;
  throw new TemperError('FORMAT_TABLE', `${path}: mixed content: ${found}`, {
    hint: `Say what to read with \`format\` ${kinds.join(' or ')}, or sort the files into folders.`,
    details: { path, kinds },
  });
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw readError(path, error);
  }
}

/**
 * What a path holds.
 * @throws TemperError USAGE (cannot tell), INPUT_NOT_FOUND, INPUT_TOO_FEW (an empty folder), FORMAT_TABLE (mixed content)
 */
function detectFormat(path: string): DatasetFormat {
  const file = existsSync(path) ? path : (expandBraces(path)[0] as string);
  if (statOf(file).isDirectory()) return formatOfFolder(file, listFolder(file));
  const format = formatOfName(file);
  if (format) return format;
  throw usage(path, 'cannot tell the format from the name', `Pass \`format\` ${DATASET_FORMATS.join('|')}.`);
}

/** The files of a sharded data set: braces, the shards of a folder, or one file. */
function shardPaths(path: string, format: DatasetFormat): string[] {
  if (!existsSync(path)) return expandBraces(path);
  if (!statOf(path).isDirectory()) return [path];
  const files = listFolder(path).files.filter((name) => formatOfName(name) === format);
  if (files.length > 0) return files.map((name) => join(path, name));
  throw new TemperError('INPUT_TOO_FEW', `${path}: no ${format} files`, { hint: 'Name the folder of the shards.' });
}

/** @param numbered whether class indices follow from a class map or the folders' names, not from which folders are there */
type Opener = (path: string, options: DatasetOptions, numbered: boolean) => Promise<SampleSource>;

const manifest =
  (format: 'csv' | 'tsv' | 'jsonl' | 'list'): Opener =>
  async (path, choice) =>
    (await import('./manifest.ts')).openManifest(path, format, choice);

const WITH_COLUMNS: readonly DatasetFormat[] = ['csv', 'tsv', 'jsonl', 'parquet'];

function assertColumns(path: string, format: DatasetFormat, { pathColumn, labelColumn }: DatasetOptions): void {
  const given = Object.entries({ pathColumn, labelColumn }).find(([, name]) => name !== undefined);
  if (given === undefined || WITH_COLUMNS.includes(format)) return;
  throw usage(path, `\`${given[0]}\` is of tables (${WITH_COLUMNS.join(', ')}), this is ${format}`, 'Leave it out.');
}

/** What only some formats need (CSV, tar, Parquet and its decompressors) is loaded with them. */
const OPENERS: Readonly<Record<DatasetFormat, Opener>> = {
  folder: async (path, _options, numbered) => openImageFolder(path, numbered),
  flat: async (path) => openFlatFolder(path),
  csv: manifest('csv'),
  tsv: manifest('tsv'),
  jsonl: manifest('jsonl'),
  list: manifest('list'),
  webdataset: async (path) => (await import('./webdataset.ts')).openWebDataset(path, shardPaths(path, 'webdataset')),
  parquet: async (path, choice) =>
    (await import('./parquet.ts')).openParquet(path, shardPaths(path, 'parquet'), choice),
  idx: openIdxImages,
  npy: openNpyImages,
};

/** How names are numbered without a class map. */
const NUMBERINGS = ['sorted', 'numeric'] as const;
type Numbering = (typeof NUMBERINGS)[number];

/** A table whose names were numbered as the user said. @throws TemperError FORMAT_LABEL for names that are no numbers */
function numberedBy(rule: Numbering | undefined, table: Dataset): Dataset {
  if (rule === undefined || table.classesFrom !== 'names') return table;
  if (rule === 'sorted') return { ...table, classesFrom: 'sorted' };
  throw new TemperError('FORMAT_LABEL', `${table.source}: class ${table.classes?.[0]} is no whole number`, {
    hint: 'Number the names with `classes` FILE, or as text with `classes` sorted.',
    details: { path: table.source },
  });
}

function parseFormat(path: string, text: string): DatasetFormat {
  const format = DATASET_FORMATS.find((known) => known === text);
  if (format) return format;
  throw usage(path, `\`format\` ${text}`, `Formats are ${DATASET_FORMATS.join(', ')}.`);
}

/**
 * Opens a data set: a folder, a manifest, shards (`shard-{0000..0099}.tar`, or a folder of them), an array.
 * Reads the table (keys and labels), no images.
 * @throws TemperError USAGE, INPUT_NOT_FOUND, INPUT_UNREADABLE, INPUT_TOO_FEW (empty), FORMAT_TABLE, FORMAT_LABEL, FORMAT_MALFORMED,
 * FORMAT_TRUNCATED, FORMAT_LIMIT, UNSUPPORTED_DATA_TYPE, UNSUPPORTED_FORMAT, MISMATCH_VALUE (another number of labels)
 */
export async function openDataset(path: string, options: DatasetOptions = {}): Promise<Dataset> {
  const format = options.format === undefined ? detectFormat(path) : parseFormat(path, options.format);
  assertColumns(path, format, options);
  const { classes } = options;
  const rule = NUMBERINGS.find((one) => one === classes);
  const classMap = classes === undefined || rule ? undefined : readClassMap(classes);
  const source = await OPENERS[format](path, options, classMap !== undefined || rule === 'numeric');
  try {
    const labels = options.labels === undefined ? undefined : await readLabelsFile(options.labels, path, source.length);
    const folders = source.labels?.namesFrom === 'names' ? source.labels.names : undefined;
    const map = rule === 'numeric' && folders ? numberMap(path, folders) : classMap;
    const table = numberedBy(rule, dataset(source, labels, map));
    if (options.requireLabels && !table.labelled) {
      throw new TemperError('FORMAT_LABEL', `${path}: no labels: ${source.unlabelled ?? 'none found'}`, {
        hint: 'Name a labelled data set, or a file of labels with `labels` FILE.',
        details: { path },
      });
    }
    return table;
  } catch (error) {
    await source.close?.();
    throw error;
  }
}
