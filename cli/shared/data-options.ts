import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import { DATASET_FORMATS, type Dataset, openDataset, selectRows } from '../../src/data/index.ts';
import { grouped, oneNumber, wholeNumber } from './option-values.ts';

/** Which images; `--val` and others take the same with their prefix. */
export const DATA = grouped('Data:', {
  data: {
    type: 'string',
    describe: 'Images: class folders, a folder, CSV/TSV/JSONL, shard-{0000..0099}.tar, .parquet, IDX, .npy',
  },
  labels: { type: 'string', describe: 'Labels of an array, as IDX or .npy' },
  format: { choices: DATASET_FORMATS, describe: 'What --data is (default: by its name)' },
  classes: { type: 'string', describe: "Class map: the index of each class name in the model's output" },
  split: { type: 'string', describe: 'The split of a manifest that has several' },
  rows: { type: 'string', describe: 'Rows a:b of the table, b excluded' },
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

export interface DataArguments {
  readonly data?: string | undefined;
  readonly labels?: string | undefined;
  readonly format?: string | undefined;
  readonly classes?: string | undefined;
  readonly split?: string | undefined;
  readonly rows?: string | undefined;
  readonly limit?: number | undefined;
  readonly seed?: number | undefined;
}

export interface ChosenData {
  readonly dataset: Dataset;
  readonly rows: Uint32Array;
}

/** Opens the data set that the options name and chooses its rows. @throws TemperError USAGE, INPUT_*, FORMAT_* */
export async function openData(args: DataArguments, { labelled }: { labelled: boolean }): Promise<ChosenData> {
  if (args.data === undefined) {
    throw new TemperError('USAGE', 'no data set is named', { hint: 'Give --data SRC (a folder of class folders, …).' });
  }
  const { labels, format, classes, split } = args;
  const dataset = await openDataset(args.data, { labels, format, classes, split, requireLabels: labelled });
  return { dataset, rows: selectRows(dataset, { rows: args.rows, limit: args.limit, seed: args.seed }) };
}

/**
 * The options of a second data set: `--guard-data`, `--guard-labels`, `--guard-rows`, `--guard-limit`.
 * @param source the option that names the images, where it is another (`val`)
 */
export function prefixedData<P extends string>(prefix: P, purpose: string, source = `${prefix}-data`) {
  const option = (name: string, describe: string): Record<string, Options> => ({
    [name]: { type: 'string', requiresArg: true, describe, group: 'Data:' },
  });
  return {
    ...option(source, `Images ${purpose}`),
    ...option(`${prefix}-labels`, `Labels of --${source}, as IDX or .npy`),
    ...option(`${prefix}-rows`, `Rows a:b of --${source}`),
    ...option(`${prefix}-limit`, `At most N images of --${source}`),
  };
}

/** The arguments of a second data set, under the names of the first; the class map and the seed are shared. */
export function argumentsOf(
  prefix: string,
  args: Readonly<Record<string, unknown>>,
  source = `${prefix}-data`,
): DataArguments {
  const text = (name: string): string | undefined => {
    const value = args[name];
    return value === undefined ? undefined : String(value);
  };
  return {
    data: text(source),
    labels: text(`${prefix}-labels`),
    rows: text(`${prefix}-rows`),
    limit: oneNumber(`${prefix}-limit`)(text(`${prefix}-limit`)),
    classes: args.classes as string | undefined,
    seed: args.seed as number | undefined,
  };
}
