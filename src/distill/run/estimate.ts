import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { TemperError } from '../../core/index.ts';
import { isPartDone, partRange, rowBytes, type StoreRun, teacherColumns, viewColumns } from '../store/index.ts';

/** A file's header and its part of the sidecar and the manifest. */
const FILE_BYTES = 2048;

/** Bytes of one row, in all files. */
function bytesPerRow(run: StoreRun): number {
  const columns = [viewColumns(run), ...run.teachers.map((teacher) => teacherColumns(run, teacher))];
  return columns.reduce((sum, one) => sum + rowBytes(one), 0);
}

export interface StoreEstimate {
  /** Of all parts together. */
  readonly bytes: number;
  /** Of the parts that are not there yet, whoever makes them. */
  readonly missingBytes: number;
  readonly bytesPerRow: number;
}

/** How large a store becomes; the sample table and the manifest are small beside it. */
export function estimateStore(folder: string, run: StoreRun): StoreEstimate {
  const perRow = bytesPerRow(run);
  let [bytes, missingBytes] = [0, 0];
  for (let part = 0; part < run.n_parts; part++) {
    const { first, end } = partRange(run, part);
    const size = perRow * (end - first) + FILE_BYTES * (run.teachers.length + 1);
    bytes += size;
    if (!isPartDone(folder, run, part)) missingBytes += size;
  }
  return { bytes, missingBytes, bytesPerRow: perRow };
}

/** What is known of a run before its first part is made. */
export interface TargetsEstimate extends Pick<StoreEstimate, 'bytes' | 'bytesPerRow'> {
  /** Parts that are to be made here. */
  readonly parts: number;
  /** For these parts, by what the first batches took; undefined for short jobs, which are not timed. */
  readonly seconds: number | undefined;
}

/** @param parts how many are to be made here @param msPerBatch what a batch takes, if it is known */
export function estimateTargets(
  folder: string,
  run: StoreRun,
  parts: number,
  msPerBatch: number | undefined,
): TargetsEstimate {
  const { bytes, bytesPerRow } = estimateStore(folder, run);
  const samples = Math.min(run.n_samples, (parts * run.rows_per_part) / run.views);
  const seconds = msPerBatch === undefined ? undefined : (Math.ceil(samples / run.batch) * msPerBatch) / 1000;
  return { bytes, bytesPerRow, parts, seconds };
}

/**
 * Refuses a run for which the disk has no room, before its first image. Quotas are not seen; they show when a part is
 * written, which leaves nothing half.
 * @throws TemperError OUTPUT_WRITE
 */
export async function assertRoom(folder: string, neededBytes: number): Promise<void> {
  let there = resolve(folder);
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  const { bavail, bsize } = await statfs(there);
  const free = bavail * bsize;
  if (neededBytes <= free) return;
  const what = `${folder}: the targets take ${neededBytes} bytes more, the disk has ${free} free`;
  throw new TemperError('OUTPUT_WRITE', what, {
    hint: 'Free some space, name another `out`, or store less: `topK`, `storeDtype` float16, fewer `views`.',
    details: { path: folder, needed: neededBytes, free },
  });
}
