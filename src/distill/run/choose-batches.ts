import { random } from '../../core/index.ts';
import type { StoreRun } from '../store/index.ts';

/** Samples [first, end), which ran together when the store was made. */
export interface StoredBatch {
  readonly first: number;
  readonly end: number;
}

type Layout = Pick<StoreRun, 'n_samples' | 'views' | 'rows_per_part' | 'n_parts' | 'batch'>;

/** So many batches are looked at, if the store has them: neighbours in a table are alike. */
const LEAST_BATCHES = 4;

/** How many batches a store was made in, and which samples each has: batches end where parts end. */
export function storedBatches({ n_samples, views, rows_per_part, n_parts, batch }: Layout): {
  readonly count: number;
  readonly at: (index: number) => StoredBatch;
} {
  const each = rows_per_part / views;
  const perPart = Math.ceil(each / batch);
  const last = n_samples - (n_parts - 1) * each;
  return {
    count: (n_parts - 1) * perPart + Math.ceil(last / batch),
    at: (index) => {
      const part = Math.floor(index / perPart);
      const first = part * each + (index % perPart) * batch;
      return { first, end: Math.min(first + batch, (part + 1) * each, n_samples) };
    },
  };
}

export interface ChosenBatches {
  /** Rising. */
  readonly batches: readonly StoredBatch[];
  /** The samples of them that are compared: as many as were asked for. */
  readonly ordinals: ReadonlySet<number>;
}

const ordinalsOf = ({ first, end }: StoredBatch): number[] => Array.from({ length: end - first }, (_, i) => first + i);

/**
 * Chooses `samples` of a store, a function of the seed, in as few whole batches as they fill, though in four at least: what a
 * network gives may depend on the batch.
 */
export function chooseBatches(layout: Layout, samples: number, seed: number): ChosenBatches {
  const { count, at } = storedBatches(layout);
  const stream = random(seed, 'verify');
  const chosen = new Set<number>();
  for (let held = 0; chosen.size < count && (chosen.size < LEAST_BATCHES || held < samples); ) {
    const index = stream.below(count);
    if (chosen.has(index)) continue;
    chosen.add(index);
    const { first, end } = at(index);
    held += end - first;
  }
  const batches = [...chosen].sort((a, b) => a - b).map(at);
  const all = batches.flatMap(ordinalsOf);
  if (samples >= all.length) return { batches, ordinals: new Set(all) };
  const ordinals = new Set<number>();
  while (ordinals.size < samples) ordinals.add(all[stream.below(all.length)] as number);
  // Of a batch that nothing is compared of nothing need run.
  return { batches: batches.filter((batch) => ordinalsOf(batch).some((at) => ordinals.has(at))), ordinals };
}
