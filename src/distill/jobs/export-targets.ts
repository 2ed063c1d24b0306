import { controlOf, type JobControl, samePath, TemperError, version } from '../../core/index.ts';
import { type DataOptions, openData } from '../../data/index.ts';
import {
  archiveNames,
  type ExportedFile,
  type ExportFiles,
  exportNpy,
  exportParquet,
  exportWebDataset,
  startExport,
  storeSettings,
  type TarOf,
  tarByCount,
} from '../export/index.ts';
import { rowsOfStore } from '../score/index.ts';
import { openStore, type Store } from '../store/index.ts';

/** npy: an array per column; parquet: a table per teacher; webdataset: sidecar tars. */
export type ExportFormat = 'npy' | 'parquet' | 'webdataset';

/** What `exportTargets` writes. */
export interface ExportTargetsOptions {
  /** A whole store. */
  readonly store: string;
  readonly to: ExportFormat;
  /** A folder for the files. */
  readonly out: string;
  /** Write into a folder that is not empty. @default false */
  readonly force?: boolean | undefined;
  /** Of `webdataset`: the data set whose tars the sidecars are named after. @default tars of 10,000 samples, numbered */
  readonly data?: DataOptions | undefined;
}

export interface ExportTargetsRecord {
  readonly out: string;
  readonly to: ExportFormat;
  /** Of all files but export.json, which lists them. */
  readonly bytes: number;
  readonly files: readonly ExportedFile[];
}

/** The tar of each sample: named as the data set's own archive that has it, where a data set is named. */
async function tarsOf(store: Store, data: DataOptions | undefined): Promise<TarOf> {
  if (data === undefined) return tarByCount;
  const { dataset } = await openData(data, { labelled: false });
  try {
    return archiveNames(dataset, await rowsOfStore(store, dataset));
  } finally {
    await dataset.close();
  }
}

const WRITERS: Readonly<
  Record<ExportFormat, (store: Store, files: ExportFiles, data: DataOptions | undefined) => Promise<void>>
> = {
  npy: exportNpy,
  parquet: (store, files) => exportParquet(store, files, `onnx-temper ${version}`),
  webdataset: async (store, files, data) => exportWebDataset(store, files, await tarsOf(store, data)),
};

/**
 * Writes stored targets in another format: .npy arrays [samples, views, …] that NumPy can map, Parquet with a row a view, or
 * sidecar tars for WebDataset with the keys of the data set's own. Each file appears whole or not at all. Memory: 16 MiB, or a
 * block of half a million values.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, MISMATCH_VALUE (another data set), OUTPUT_*; the signal's reason
 * @example
 * const { files, bytes } = await exportTargets({ store: 'targets/', to: 'npy', out: 'arrays/' });
 * console.log(files.map(({ path }) => path), bytes);
 */
export async function exportTargets(
  { store: folder, to, out, force = false, data }: ExportTargetsOptions,
  control: JobControl = {},
): Promise<ExportTargetsRecord> {
  if (data !== undefined && to !== 'webdataset') {
    throw new TemperError('USAGE', `\`data\` has no use with \`to\` ${to}`, {
      hint: 'It names the tars of `to` webdataset.',
    });
  }
  if (samePath(folder, out)) {
    throw new TemperError('OUTPUT_IS_INPUT', `${out}: is the store`, { hint: 'Choose another `out`.' });
  }
  const store = openStore(folder);
  const files = startExport(out, force, controlOf(control).signal);
  await WRITERS[to](store, files, data);
  const written = files.finish({ format: `onnx-temper-targets-${to}`, version: 1, made_from: storeSettings(store) });
  return { out, to, bytes: written.reduce((sum, file) => sum + file.bytes, 0), files: written };
}
