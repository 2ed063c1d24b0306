import { TemperError } from '../../core/index.ts';
import type { ViewRecord } from '../../data/index.ts';
import { type ColumnArrays, type Part, STATUS_BAD, type Store, type ViewRows } from '../store/index.ts';
import { assertSameImages } from './part-buffer.ts';

/** What stands for the views of a sample that could not be decoded: nobody will see it. */
const WHOLE: ViewRecord = { crop: null, flip: false, jitter: [] };

/** The views of a store, to be made again for another teacher. */
export interface BaseViews {
  /** The views of a sample; it must be of the same table. */
  records(ordinal: number): readonly ViewRecord[];
  /** Refuses rows [first, end) that are of other images. @throws TemperError MISMATCH_VALUE */
  assertSame(made: ColumnArrays, first: number, end: number, keyOf: (row: number) => string): void;
  close(): void;
}

/** Reads views in order, part by part. Memory: the views of one part. @throws TemperError as openPart */
export function baseViews(store: Store): BaseViews {
  const { manifest } = store;
  let part: Part | undefined;
  let views: ViewRows | undefined;
  const open = (index: number): Part => {
    if (part?.index !== index) {
      part?.close();
      part = undefined;
      views = undefined;
      part = store.part(index);
    }
    return part;
  };
  const columns = ['key_hash', 'status', 'source_size'] as const;
  return {
    records(ordinal) {
      const row = ordinal * manifest.views;
      const found = open(Math.floor(row / manifest.rows_per_part));
      views ??= found.views();
      const at = row - found.first;
      if (views.status[at] === STATUS_BAD) return Array.from({ length: manifest.views }, () => WHOLE);
      return views.records?.slice(at, at + manifest.views) ?? [];
    },
    assertSame(made, first, end, keyOf) {
      for (let row = first; row < end; ) {
        const found = open(Math.floor(row / manifest.rows_per_part));
        const last = Math.min(end, found.end);
        const of = (arrays: (name: string) => unknown): ColumnArrays =>
          Object.fromEntries(columns.map((name) => [name, arrays(name)])) as unknown as ColumnArrays;
        const base = of((name) => found.column(0, name, row - found.first, last - found.first));
        const [from, to] = [row - first, last - first];
        const own = of((name) => {
          const width = name === 'source_size' ? 2 : 1;
          return (made[name] as Uint32Array).subarray(width * from, width * to);
        });
        assertSameImages(own, base, (at) => keyOf(from + at), store.folder);
        row = last;
      }
    },
    close: () => part?.close(),
  };
}

/**
 * Refuses a store whose views cannot be replayed for these samples.
 * @throws TemperError USAGE for a store without drawn views; MISMATCH_VALUE for other samples
 */
export function assertReplayable({ folder, manifest }: Store, samplesSha256: string): void {
  if (manifest.augment === null) {
    throw new TemperError('USAGE', `${folder}: has the evaluation view alone: there are no views to replay`, {
      hint: 'Leave `viewsFrom` out: every run without `augment` sees the same.',
    });
  }
  if (manifest.samples.sha256 === samplesSha256) return;
  throw new TemperError('MISMATCH_VALUE', `${folder}: its views are of other samples than those chosen`, {
    hint: 'Name the data set and the rows that the store was made from (`data`, `rows`, `limit`, `labels`, `classes`).',
    details: { found: samplesSha256, expected: manifest.samples.sha256 },
  });
}
