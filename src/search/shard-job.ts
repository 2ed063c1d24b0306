import { existsSync } from 'node:fs';
import { controlOf, type JobControl, TemperError } from '../core/index.ts';
import type { Shard } from '../data/index.ts';
import { expectedShare } from './expected-work.ts';
import { knownRecipes } from './recipes.ts';
import { isCacheFolder, openCacheFolder } from './results-cache.ts';
import { Scorer } from './scorer.ts';
import type { SearchPlanOptions } from './search-options.ts';
import { withSearch } from './search-setup.ts';

/** A worker's share of a search. */
export interface SearchShardOptions extends SearchPlanOptions {
  /** Which worker this is: it evaluates the candidates i with i mod count = index. */
  readonly shard: Shard;
  /** The folder that all workers share; each appends to a file of its own. Made if it is not there. */
  readonly cache: string;
}

/** What a worker evaluated. */
export interface SearchShardRecord {
  readonly shard: Shard;
  /** The folder. */
  readonly cache: string;
  /** Of this worker; of all workers. */
  readonly candidates: number;
  readonly candidatesInAll: number;
  /** Made now, each form of a candidate counted; found in the folder. */
  readonly evaluations: number;
  readonly fromCache: number;
}

/** @throws TemperError USAGE */
function assertFolder(cache: string): void {
  if (isCacheFolder(cache) || !existsSync(cache)) return;
  throw new TemperError('USAGE', `\`cache\` ${cache}: is a file, expected a folder that all workers share`, {
    hint: 'Name a folder: each worker writes a file of its own there.',
    details: { path: cache },
  });
}

/**
 * Evaluates a worker's share of the candidates that `searchAverages` with the same options is going to ask for: those that depend on no
 * score (snapshots, means, windows, EMAs, power profiles, order statistics). `searchAverages` with this folder as its `cache` then
 * finds them there, evaluates what is missing and what follows from scores (soups, learned weights), and writes the bytes that it
 * would have written alone, on the same type of processor. A worker that runs again goes on where it stopped.
 * Memory: as `searchAverages`.
 * @throws TemperError as `searchAverages`; MISMATCH_VALUE for a result that two files of the folder give differently
 * @example
 * const search = {
 *   inputs: ['run/'],
 *   val: { source: 'val/' },
 *   transform: { preset: 'timm', size: 224 },
 *   cache: 'results/',
 * } as const;
 * // Each on a machine of its own.
 * for (const index of [0, 1]) await searchShard({ ...search, shard: { index, count: 2 } });
 * await searchAverages({ ...search, out: 'best-of-shards.onnx' });
 */
export async function searchShard(options: SearchShardOptions, control: JobControl = {}): Promise<SearchShardRecord> {
  const { shard, cache } = options;
  const { index, count } = shard;
  return withSearch(options, controlOf(control), {
    check: () => assertFolder(cache),
    expect(recipes, _, n, forms) {
      const known = knownRecipes(recipes, n).length;
      return expectedShare(Math.max(0, Math.ceil((known - index) / count)), known, forms);
    },
    openCache: () => openCacheFolder(cache, `${index}-of-${count}.jsonl`),
    async search(setup) {
      const known = knownRecipes(setup.recipes, setup.ingredients.snapshots);
      const mine = known.filter((_, i) => i % count === index);
      const scorer = new Scorer(setup);
      await scorer.score(mine);
      const { evaluations, fromCache } = scorer;
      return { shard, cache, candidates: mine.length, candidatesInAll: known.length, evaluations, fromCache };
    },
    conclude: async (record) => record,
  });
}
