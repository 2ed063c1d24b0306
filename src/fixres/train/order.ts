import { random } from '../../core/index.ts';

/** The images of an epoch in their order: as they are, or shuffled by (seed, epoch). */
export function epochOrder(images: number, epoch: number, shuffle: { readonly seed: number } | undefined): Uint32Array {
  const order = Uint32Array.from({ length: images }, (_, i) => i);
  if (!shuffle) return order;
  const stream = random(shuffle.seed, 'fixres epoch', epoch);
  for (let i = images - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
