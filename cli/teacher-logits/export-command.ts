import { basename } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import { TemperError, version } from '../../src/core/index.ts';
import { type ExportFiles, type Store, type TarOf, exportNpy, exportParquet, exportWebDataset, openStore, rowsOfStore, startExport, storeSettings, tarByCount } from '../../src/distill/index.ts';
import { DATA, openData } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { grouped } from '../shared/option-values.ts';
import { print, TALK, WRITE } from '../shared/output-options.ts';
import { samePath } from '../shared/snapshot-inputs.ts';

const FORMATS = ['npy', 'parquet', 'webdataset'] as const;

const EXPORT = grouped('Output:', {
  to: {
    choices: FORMATS,
    demandOption: true,
    describe: 'npy: an array per column; parquet: a table per teacher; webdataset: sidecar tars',
  },
  out: { type: 'string', demandOption: true, describe: 'A folder for the files' },
} as const satisfies Record<string, Options>);

const { data, labels, format, classes, split } = DATA;
const ALL = { ...EXPORT, data, labels, format, classes, split, ...WRITE, ...TALK };
type Arguments = InferredOptionTypes<typeof ALL> & { readonly store: string };

/** The tar of each sample: named as the data set's own archive that has it, where a data set is named. */
async function tarsOf(store: Store, args: Arguments): Promise<TarOf> {
  if (args.data === undefined) return tarByCount;
  const { dataset } = await openData(args, { labelled: false });
  try {
    const { archiveOf } = dataset;
    if (!archiveOf) {
      throw new TemperError('USAGE', `${dataset.source}: has no tars that the sidecars could be named after`, {
        hint: 'Leave --data out.',
      });
    }
    const rows = await rowsOfStore(store, dataset);
    const names = Array.from(rows, (row) => archiveOf(row));
    const paths = new Map<string, string>();
    for (const path of names) {
      const known = paths.get(basename(path));
      if (known !== undefined && known !== path) {
        throw new TemperError('USAGE', `${known} and ${path} have one name`, {
          hint: 'Leave --data out: tars are then numbered.',
        });
      }
      paths.set(basename(path), path);
    }
    return (ordinal) => basename(names[ordinal] as string);
  } finally {
    await dataset.close();
  }
}

const WRITERS: Readonly<
  Record<(typeof FORMATS)[number], (store: Store, files: ExportFiles, args: Arguments) => Promise<void>>
> = {
  npy: exportNpy,
  parquet: (store, files) => exportParquet(store, files, `onnx-temper ${version}`),
  webdataset: async (store, files, args) => exportWebDataset(store, files, await tarsOf(store, args)),
};

async function exportStore(args: Arguments): Promise<void> {
  const { to, out, force } = args;
  if (args.data !== undefined && to !== 'webdataset') {
    throw new TemperError('USAGE', `--data has no use with --to ${to}`, {
      hint: 'It names the tars of --to webdataset.',
    });
  }
  if (samePath(args.store, out)) {
    throw new TemperError('OUTPUT_IS_INPUT', `${out}: is the store`, { hint: 'Choose another --out.' });
  }
  const store = openStore(args.store);
  const files = startExport(out, force, interruptSignal());
  await WRITERS[to](store, files, args);
  const written = files.finish({ format: `onnx-temper-targets-${to}`, version: 1, made_from: storeSettings(store) });
  const bytes = written.reduce((sum, file) => sum + file.bytes, 0);
  print(args, { out, to, bytes, files: written }, `${out}  ${written.length} files  ${bytes} bytes\n`);
}

/** teacher-logits export: the targets in other formats. */
export function addExport(parser: Argv): Argv {
  return parser.command(
    'export <store>',
    'Write stored targets as .npy arrays, Parquet, or sidecar tars for WebDataset',
    (y) =>
      y
        .positional('store', { type: 'string', demandOption: true, describe: 'The folder of a target store' })
        .options(ALL)
        .example('$0 export targets/ --to npy --out arrays/', 'numpy.load(path, mmap_mode="r")[ordinal, view]')
        .example(
          "$0 export targets/ --to webdataset --data 'train-{0000..0099}.tar' --out sidecars/",
          'tars with the same names and keys',
        ),
    async (args) => exportStore(args as unknown as Arguments),
  );
}
