import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import type { DataOptions, DatasetFormat, RowRange } from '../../src/data/index.ts';
import { grouped, wholeNumber } from './option-values.ts';

const FORMATS = [
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
] as const satisfies readonly DatasetFormat[];

/** Parses `a:b`, `a:` or `:b`. */
function rowRange(option: string): (value: unknown) => RowRange | undefined {
  return (value) => {
    if (value === undefined) return undefined;
    const [, start, end] = /^(\d*):(\d*)$/.exec(String(value)) ?? [];
    if (start === undefined || end === undefined) {
      throw new TemperError('USAGE', `--${option} ${String(value)}: not a range`, {
        hint: 'Write a:b, a: or :b, counting from 0; b is excluded.',
      });
    }
    return { ...(start ? { start: Number(start) } : {}), ...(end ? { end: Number(end) } : {}) };
  };
}

/** Which images; other data sets of a command have the same options with a prefix. */
export const DATA = grouped('Data:', {
  data: {
    type: 'string',
    describe:
      'Images: class folders, a folder, CSV/TSV/JSONL, a list (.txt), shard-{0000..0099}.tar, .parquet, IDX, .npy',
  },
  labels: { type: 'string', describe: 'Labels of an array, as IDX or .npy' },
  format: { choices: FORMATS, describe: 'What --data is (default: by its name)' },
  classes: {
    type: 'string',
    describe:
      "Class map: a file with the index of each class name in the model's output; or sorted (names as text), numeric (names are indices)",
  },
  split: { type: 'string', describe: 'The split of a manifest that has several' },
  'path-column': {
    type: 'string',
    describe: 'The column of a table that names, or holds, the images (default: by its name)',
  },
  'label-column': { type: 'string', describe: 'The column that holds the labels (default: by its name)' },
  rows: { type: 'string', describe: 'Rows a:b of the table, b excluded', coerce: rowRange('rows') },
  limit: {
    type: 'string',
    describe: 'At most N images, chosen by the seed, class-balanced',
    coerce: wholeNumber('limit', 1),
  },
  seed: { type: 'string', default: 0, describe: 'Seed of every random choice', coerce: wholeNumber('seed', 0) },
  'on-bad-image': {
    choices: ['fail', 'skip'] as const,
    default: 'fail' as const,
    describe: 'Stop at an image that cannot be decoded, or leave it out and list it',
  },
} as const satisfies Record<string, Options>);

interface DataArguments {
  readonly data?: string | undefined;
  readonly labels?: string | undefined;
  readonly format?: DatasetFormat | undefined;
  readonly classes?: string | undefined;
  readonly split?: string | undefined;
  readonly 'path-column'?: string | undefined;
  readonly 'label-column'?: string | undefined;
  readonly rows?: RowRange | undefined;
  readonly limit?: number | undefined;
  readonly seed?: number | undefined;
}

/** The data set that `--data` and its companions name. @throws TemperError USAGE without `--data` */
export function dataOf(args: DataArguments): DataOptions {
  const { data, labels, format, classes, split, rows, limit, seed } = args;
  const columns = { pathColumn: args['path-column'], labelColumn: args['label-column'] };
  if (data !== undefined) return { source: data, labels, format, classes, split, ...columns, rows, limit, seed };
  throw new TemperError('USAGE', 'no data set is named', { hint: 'Give --data SRC (a folder of class folders, …).' });
}

type TextOption = { readonly type: 'string'; readonly describe: string };
type ParsedOption<T> = TextOption & { readonly coerce: (value: unknown) => T | undefined };

/** The options of a data set with a purpose: `--val`, `--val-labels`, `--val-rows`, `--val-limit`, `--val-path-column`, `--val-label-column`. */
type NamedData<P extends string> = {
  readonly [K in P | `${P}-labels` | `${P}-path-column` | `${P}-label-column`]: TextOption;
} & {
  readonly [K in `${P}-rows`]: ParsedOption<RowRange>;
} & { readonly [K in `${P}-limit`]: ParsedOption<number> };

/**
 * The options of a second data set; the class map and the seed are those of the first.
 * @param before the prefix that these options had, which stays as an alias: `guard` for `--guard-data`, `--guard-labels`
 */
export function namedData<P extends Purpose>(name: P, purpose: string, before?: string): NamedData<P> {
  const was = (suffix: string): { alias?: string } => (before === undefined ? {} : { alias: `${before}-${suffix}` });
  return grouped('Data:', {
    [name]: { type: 'string', describe: `Images ${purpose}`, ...was('data') },
    [`${name}-labels`]: { type: 'string', describe: `Labels of --${name}, as IDX or .npy`, ...was('labels') },
    [`${name}-path-column`]: { type: 'string', describe: `The column of --${name} that names the images` },
    [`${name}-label-column`]: { type: 'string', describe: `The column of --${name} that holds the labels` },
    [`${name}-rows`]: {
      type: 'string',
      describe: `Rows a:b of --${name}`,
      coerce: rowRange(`${name}-rows`),
      ...was('rows'),
    },
    [`${name}-limit`]: {
      type: 'string',
      describe: `At most N images of --${name}`,
      coerce: wholeNumber(`${name}-limit`, 1),
      ...was('limit'),
    },
  } as Record<string, Options>) as NamedData<P>;
}

/** The purposes of images that commands know. */
type Purpose = 'train' | 'val' | 'test' | 'shifted' | 'reference';

type NamedArguments = {
  readonly [K in Purpose | `${Purpose}-${'labels' | 'path-column' | 'label-column'}`]?: string | undefined;
} & { readonly [K in `${Purpose}-rows`]?: RowRange | undefined } & {
  readonly [K in `${Purpose}-limit`]?: number | undefined;
} & Pick<DataArguments, 'classes' | 'seed'>;

/** The data set of {@link namedData}, if it is named. */
export function namedDataOf(name: Purpose, args: NamedArguments): DataOptions | undefined {
  const source = args[name];
  if (source === undefined) return undefined;
  const { classes, seed } = args;
  return {
    source,
    labels: args[`${name}-labels` as const],
    pathColumn: args[`${name}-path-column` as const],
    labelColumn: args[`${name}-label-column` as const],
    rows: args[`${name}-rows` as const],
    limit: args[`${name}-limit` as const],
    classes,
    seed,
  };
}
