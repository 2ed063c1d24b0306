import { TemperError } from '../../core/index.ts';
import { type Dataset, type LoaderOptions, loadBatches, type Transform } from '../../data/index.ts';
import type { Tensor } from '../../runtime/index.ts';
import { baseViews, ordinalOf, viewsOf } from '../run/index.ts';
import type { Part, Store } from '../store/index.ts';
import type { StudentBatch } from './score-student.ts';

/** Refuses a data set that is not the one that the targets were made from. @throws TemperError MISMATCH_VALUE */
function assertTable({ folder, manifest }: Store, dataset: Dataset): void {
  const found = dataset.tableHash();
  if (found === manifest.data_sha256) return;
  throw new TemperError('MISMATCH_VALUE', `${dataset.source}: is not the table of samples that ${folder} is of`, {
    hint: 'Name the data set that the store was made from, with the same `labels`, `classes` and `split`: keys, labels and their order must be equal.',
    details: { found, expected: manifest.data_sha256 },
  });
}

/**
 * The row in the data set of every sample of a store.
 * @throws TemperError MISMATCH_VALUE for a data set with another table
 */
export async function rowsOfStore(store: Store, dataset: Dataset): Promise<Uint32Array> {
  assertTable(store, dataset);
  const rows = new Uint32Array(store.manifest.n_samples);
  let [ordinal, row] = [0, 0];
  for await (const { key } of store.samples()) {
    while (row < dataset.length && dataset.sample(row).key !== key) row++;
    if (row === dataset.length || ordinal === rows.length) {
      throw new TemperError(
        'MISMATCH_VALUE',
        `${store.folder}: sample "${key}" is not in its place in ${dataset.source}`,
        {
          hint: 'The sample table of the store is damaged: teacher-logits verify says more.',
          details: { key },
        },
      );
    }
    rows[ordinal++] = row++;
  }
  return rows;
}

/**
 * Rows of the data set to score: those of the store, or of them those that are asked for; images without targets are left
 * out.
 * @throws TemperError MISMATCH_VALUE for a row that is not in the store
 */
export function rowsToScore(
  { folder, manifest }: Store,
  dataset: Dataset,
  ofStore: Uint32Array,
  wanted: Uint32Array | undefined,
): Uint32Array {
  const bad = new Set(manifest.bad_images.map(({ key }) => key));
  const outside = wanted?.find((row) => ofStore[ordinalOf(ofStore, row)] !== row);
  if (outside !== undefined) {
    throw new TemperError('MISMATCH_VALUE', `${folder}: has no targets of ${dataset.describeRow(outside)}`, {
      hint: 'Leave `rows` and `limit` out to score all samples of the store.',
      details: { row: outside },
    });
  }
  return (wanted ?? ofStore).filter((row) => !bad.has(dataset.sample(row).key));
}

export interface StudentViews extends Pick<LoaderOptions, 'workers' | 'onBadImage' | 'quarantine'> {
  /** The row in the data set of every sample of the store, and those to score. */
  readonly ofStore: Uint32Array;
  readonly rows: Uint32Array;
  /** The student's; absent for data that is network input. */
  readonly transform: Transform | undefined;
  /** Inputs of a batch, at least a sample's views. */
  readonly batch: number;
  readonly signal?: AbortSignal | undefined;
}

/** Whether the pictures are still of the size that the teachers saw. */
function sizeCheck(store: Store): {
  assert(ordinal: number, key: string, found: { width: number; height: number }): void;
  close(): void;
} {
  const { views, rows_per_part: perPart } = store.manifest;
  let part: Part | undefined;
  return {
    assert(ordinal, key, found) {
      const index = Math.floor((ordinal * views) / perPart);
      if (part?.index !== index) {
        part?.close();
        part = undefined;
        part = store.part(index);
      }
      const at = ordinal * views - part.first;
      const [height, width] = part.column(0, 'source_size', at, at + 1) as Uint32Array;
      if (found.width === width && found.height === height) return;
      const what = `${key}: is ${found.width} x ${found.height} pixels, the teachers saw ${width} x ${height}`;
      throw new TemperError('MISMATCH_VALUE', what, {
        hint: 'Name the images that the store was made from, and the same `orientation`.',
        details: { key },
      });
    },
    close: () => part?.close(),
  };
}

/**
 * The student's inputs: the views that the store records, made again with the student's transform, in table order.
 * @throws TemperError MISMATCH_VALUE for a picture of another size than the teachers saw; as loadBatches and openPart
 */
export async function* studentBatches(
  store: Store,
  dataset: Dataset,
  { ofStore, rows, transform, batch, workers, onBadImage, quarantine, signal }: StudentViews,
): AsyncGenerator<StudentBatch, void, undefined> {
  const { views: count, augment } = store.manifest;
  const drawn = baseViews(store);
  const sizes = sizeCheck(store);
  try {
    const loaded = loadBatches(dataset, {
      rows,
      transforms: transform ? [transform] : [],
      views: viewsOf(store.manifest),
      records: augment === null ? undefined : (row) => drawn.records(ordinalOf(ofStore, row)),
      batch: Math.max(1, Math.floor(batch / count)),
      workers,
      onBadImage,
      quarantine,
    });
    for await (const { rows: found, keys, labels, inputs, facts } of loaded) {
      signal?.throwIfAborted();
      const storeRows = Array.from(found, (row, i) => ordinalOf(ofStore, row) * count + (i % count));
      for (const [image, { source }] of facts.entries()) {
        const at = image * count;
        sizes.assert((storeRows[at] as number) / count, keys[at] as string, source);
      }
      yield {
        images: inputs[0] as Tensor,
        keys,
        labels: labels ?? new Int32Array(keys.length),
        rows: storeRows,
      };
    }
  } finally {
    drawn.close();
    sizes.close();
  }
}
