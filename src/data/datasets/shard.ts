/** Worker `index` (from 0) of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** A run of rows of constant length (the last may be shorter): the unit of work, of output files and of resuming. */
export interface Part {
  readonly index: number;
  /** Rows [start, end) of the selection. */
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts rows into parts of `partRows` rows (whole batches) and gives those of one worker: part p belongs to worker
 * p mod count. Part boundaries do not depend on the number of workers.
 */
export function partsOf(rowCount: number, partRows: number, worker: Shard = { index: 0, count: 1 }): Part[] {
  if (!Number.isInteger(partRows) || partRows < 1) throw new RangeError(`parts of ${partRows} rows`);
  const parts: Part[] = [];
  for (let index = worker.index; index * partRows < rowCount; index += worker.count) {
    parts.push({ index, start: index * partRows, end: Math.min((index + 1) * partRows, rowCount) });
  }
  return parts;
}
