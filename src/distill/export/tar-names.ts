import { basename } from 'node:path';
import { TemperError } from '../../core/index.ts';
import type { Dataset } from '../../data/index.ts';
import type { TarOf } from './webdataset-export.ts';

/**
 * The tar of each sample, named as the data set's own archive that has it.
 * @param rows the row in the data set of every sample of the store
 * @throws TemperError USAGE for a data set without archives, or with two of one name
 */
export function archiveNames(dataset: Dataset, rows: Uint32Array): TarOf {
  const { archiveOf } = dataset;
  if (!archiveOf) {
    throw new TemperError('USAGE', `${dataset.source}: has no tars that the sidecars could be named after`, {
      hint: 'Leave `data` out.',
    });
  }
  const names = Array.from(rows, (row) => archiveOf(row));
  const paths = new Map<string, string>();
  for (const path of names) {
    const known = paths.get(basename(path));
    if (known !== undefined && known !== path) {
      throw new TemperError('USAGE', `${known} and ${path} have one name`, {
        hint: 'Leave `data` out: tars are then numbered.',
      });
    }
    paths.set(basename(path), path);
  }
  return (ordinal) => basename(names[ordinal] as string);
}
