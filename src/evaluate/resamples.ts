import { random } from '../core/index.ts';

/** Resamples of a bootstrap: intervals of 95 % hardly move with more. */
export const REPLICATES = 1000;

/** So many images are numbered by 16 bits: their resamples are kept, as long as memory is not wanted, for the next who asks. */
const MOST_KEPT = 2 ** 16;

let kept: { readonly seed: number; readonly n: number; readonly rows: WeakRef<Uint16Array> } | undefined;

/**
 * The resamples of a bootstrap over n images, one after the other: rows, drawn with repetition by `random(seed, 'bootstrap', n)`, one stream
 * for all, so that whatever is measured on the same images is resampled alike. `rows` is used again for the next.
 * Memory: of up to 65,536 images 2000 bytes each, until it is wanted elsewhere.
 */
export function* resamples(
  seed: number,
  n: number,
  replicates = REPLICATES,
): Generator<readonly [rows: Uint32Array, r: number]> {
  const rows = new Uint32Array(n);
  const found = kept?.seed === seed && kept.n === n ? kept.rows.deref() : undefined;
  if (found && replicates <= REPLICATES) {
    for (let r = 0; r < replicates; r++) {
      rows.set(found.subarray(r * n, (r + 1) * n));
      yield [rows, r];
    }
    return;
  }
  const stream = random(seed, 'bootstrap', n);
  const all = n <= MOST_KEPT && replicates === REPLICATES ? new Uint16Array(REPLICATES * n) : undefined;
  for (let r = 0; r < replicates; r++) {
    stream.fillBelow(n, rows);
    all?.set(rows, r * n);
    yield [rows, r];
  }
  if (all) kept = { seed, n, rows: new WeakRef(all) };
}
