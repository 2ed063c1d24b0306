import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  controlOf,
  existsOfOtherJob,
  type JobControl,
  makeParent,
  sha256OfFile,
  TemperError,
} from '../../core/index.ts';
import type { ChosenData, Shard } from '../../data/index.ts';
import { openPart, PART_ENDING } from './merge-parts.ts';
import { type SweepPlanOptions, withSweep } from './open-sweep.ts';
import { writePart } from './part-file.ts';
import type { PartRun } from './part-run.ts';
import { measureCells } from './run.ts';

/** A worker's share of a sweep. */
export interface SweepShardOptions extends SweepPlanOptions {
  /** Which worker this is: it measures the rows i with i mod count = index. */
  readonly shard: Shard;
  /** The folder that all workers share; each leaves a file there. Made if it is not there. */
  readonly parts: string;
  /** Measure again what is there. @default false */
  readonly force?: boolean | undefined;
}

/** What a worker left. */
export interface SweepShardRecord {
  readonly shard: Shard;
  readonly path: string;
  readonly sha256: string;
  /** Rows of this worker; of the table. */
  readonly rows: number;
  readonly rowsInAll: number;
  /** The file was there, of this same job: nothing was measured. */
  readonly made: boolean;
}

/** A worker that runs again finds its own file. @throws TemperError OUTPUT_EXISTS for one of another job, with the difference */
function assertOwn(path: string, run: PartRun, mine: readonly number[], chosen: ChosenData): void {
  try {
    const part = openPart(path, run, chosen);
    if (part.cells.join() === mine.join()) return;
    throw new TemperError('MISMATCH_VALUE', `${path}: has the rows of another \`shard\``);
  } catch (error) {
    throw existsOfOtherJob(path, error);
  }
}

/**
 * Measures a worker's share of the rows of a sweep, and leaves what was said of every image in a file of the folder `parts`. `sweep` with
 * the same options and this folder then puts the rows of all workers together, and gives the record that it would have given alone, but for
 * measured times, on the same type of processor. A worker that runs again and finds its own file is done.
 * Memory: as `sweep`, for its rows.
 * @throws TemperError as `sweep`; OUTPUT_*
 * @example
 * const plan = {
 *   models: ['swa.onnx'],
 *   data: { source: 'val/' },
 *   trainSize: 224,
 *   sizes: [192, 224, 256],
 *   transform: { preset: 'timm' },
 *   parts: 'sweep-parts/',
 * } as const;
 * // Each on a machine of its own.
 * for (const index of [0, 1]) await sweepShard({ ...plan, shard: { index, count: 2 } });
 * const { rows } = await sweep(plan);
 * console.log(rows.map(({ fields }) => fields.top1));
 */
export async function sweepShard(options: SweepShardOptions, control: JobControl = {}): Promise<SweepShardRecord> {
  const watched = controlOf(control);
  const { shard, parts, force = false } = options;
  const { index, count } = shard;
  const path = join(parts, `${index}-of-${count}${PART_ENDING}`);
  return withSweep(options, watched, async ({ models, cells, chosen, train, run }) => {
    const mine = [...cells.keys()].filter((i) => i % count === index);
    const record = { shard, path, rows: mine.length, rowsInAll: cells.length };
    if (existsSync(path) && !force) {
      assertOwn(path, run, mine, chosen);
      watched.note(`${path}: is there, of this same job`);
      return { ...record, sha256: await sha256OfFile(path), made: true };
    }
    const own = mine.map((i) => cells[i] as (typeof cells)[number]);
    const measured = await measureCells({ models, cells: own, grid: cells, chosen, train, options }, watched);
    makeParent(path);
    const { outcomes, sources, quarantine } = measured;
    const sha256 = writePart(path, { run, cells: mine, outcomes, sources, quarantine }, { force });
    return { ...record, sha256, made: false };
  });
}
