import { createHash } from 'node:crypto';
import { compareUtf8, TemperError } from '../../core/index.ts';
import type { Dataset } from './dataset.ts';

export interface Halves {
  /** Candidates are chosen on these rows. */
  readonly selection: Uint32Array;
  /** The chosen one is reported on these. */
  readonly report: Uint32Array;
}

/** Fewer images than this choose and prove nothing. */
export const LEAST_TO_SPLIT = 4;

/**
 * Cuts rows into two class-balanced halves: in each class by SHA-256 of (seed, key), so that neither the order of the table nor
 * other rows decide where an image goes within its class. Odd classes give their middle image to either half in turn.
 * @throws TemperError INPUT_TOO_FEW
 */
export function splitRows(dataset: Pick<Dataset, 'sample'>, rows: Uint32Array, seed: number): Halves {
  if (rows.length < LEAST_TO_SPLIT) {
    throw new TemperError('INPUT_TOO_FEW', `${rows.length} labelled images, expected at least ${LEAST_TO_SPLIT}`, {
      hint: 'Candidates are chosen on one half of `val` and reported on the other: name a larger set.',
      details: { found: rows.length },
    });
  }
  const classes = new Map<number, { row: number; key: string; place: string }[]>();
  for (const row of rows) {
    const { key, label = 0 } = dataset.sample(row);
    const place = createHash('sha256').update(`split\n${seed}\n${key}`).digest('hex');
    const list = classes.get(label) ?? [];
    list.push({ row, key, place });
    classes.set(label, list);
  }
  const halves: [number[], number[]] = [[], []];
  let extra = 0;
  for (const label of [...classes.keys()].sort((a, b) => a - b)) {
    const list = (classes.get(label) ?? []).sort((a, b) => compareUtf8(a.place, b.place) || compareUtf8(a.key, b.key));
    const half = list.length % 2 === 0 ? list.length / 2 : (list.length - 1) / 2 + (extra++ % 2 === 0 ? 1 : 0);
    list.forEach(({ row }, i) => {
      halves[i < half ? 0 : 1].push(row);
    });
  }
  const [selection, report] = halves.map((half) => Uint32Array.from(half).sort()) as [Uint32Array, Uint32Array];
  return { selection, report };
}
