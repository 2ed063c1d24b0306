import type { Random } from './random.ts';

/**
 * Standard normal numbers from uniform ones, by pairs: √(−2 ln u)·(cos 2πv, sin 2πv) with u in (0, 1] and v in [0, 1) (Box and
 * Muller 1958, "A Note on the Generation of Random Normal Deviates"). |z| stays below 8.6.
 */
export function normals(random: Pick<Random, 'float'>): () => number {
  let second: number | undefined;
  return () => {
    if (second !== undefined) {
      const value = second;
      second = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random.float()));
    const angle = 2 * Math.PI * random.float();
    second = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
