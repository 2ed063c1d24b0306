import { type Search, valuesLike } from './search.ts';
import type { TemplateTensor } from './template-tensors.ts';
import { readView, reorderings } from './view.ts';

export interface Guess {
  readonly key: string;
  /** Largest difference of an element. */
  readonly difference: number;
}

/** Keys that are compared with a tensor that nothing explains. */
const MOST_KEYS = 64;

/** The key of as many elements that comes nearest to a tensor, in its own order or reordered. */
export function nearestGuess(search: Search, tensor: TemplateTensor): Guess | undefined {
  let nearest: Guess | undefined;
  for (const key of search.state.sized(tensor.count).slice(0, MOST_KEYS)) {
    const target = valuesLike(search, tensor, key);
    const values = search.state.values(key.key);
    for (const view of [undefined, ...reorderings(key.dims, tensor.dims)]) {
      const own = view ? readView(values, view) : values;
      let difference = 0;
      for (let i = 0; i < own.length; i++)
        difference = Math.max(difference, Math.abs((own[i] as number) - (target[i] as number)));
      if (!nearest || difference < nearest.difference) nearest = { key: key.key, difference };
    }
  }
  return nearest;
}
