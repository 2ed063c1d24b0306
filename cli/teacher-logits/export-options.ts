import type { Options } from 'yargs';
import type { ExportFormat, ExportTargetsOptions } from '../../src/distill/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf } from '../shared/data-options.ts';
import { grouped } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';

const FORMATS = ['npy', 'parquet', 'webdataset'] as const satisfies readonly ExportFormat[];

const EXPORT_OUT = grouped('Output:', {
  to: {
    choices: FORMATS,
    demandOption: true,
    describe: 'npy: an array per column; parquet: a table per teacher; webdataset: sidecar tars',
  },
  out: { type: 'string', demandOption: true, describe: 'A folder for the files' },
} as const satisfies Record<string, Options>);

const { data, labels, format, classes, split } = DATA;

/** teacher-logits export: the targets in other formats. */
export const EXPORT = describeCommand({
  usage: '<store>',
  positionals: {
    store: { type: 'string', demandOption: true, describe: 'The folder of a target store' },
  },
  options: { ...EXPORT_OUT, data, labels, format, classes, split, ...WRITE, ...TALK },
  examples: [
    ['$0 targets/ --to npy --out arrays/', 'numpy.load(path, mmap_mode="r")[ordinal, view]'],
    [
      "$0 targets/ --to webdataset --data 'train-{0000..0099}.tar' --out sidecars/",
      'tars with the same names and keys',
    ],
  ],
});

export type ExportArguments = ArgumentsOf<typeof EXPORT>;

/** The words as the job takes them. */
export function exportTargetsOptions(args: ExportArguments): ExportTargetsOptions {
  const { store, to, out, force } = args;
  return { store, to, out, force, data: args.data === undefined ? undefined : dataOf(args) };
}
