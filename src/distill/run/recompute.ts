import { TemperError } from '../../core/index.ts';
import { type Dataset, type InputStatistics, loadBatches, type Transform } from '../../data/index.ts';
import { type Batch, runBatches, type Tensor } from '../../runtime/index.ts';
import { type Part, partRange, STATUS_BAD, type Store, type TargetRows } from '../store/index.ts';
import { type ChosenBatches, chooseBatches } from './choose-batches.ts';
import { type TargetDifference, targetComparison } from './compare-targets.ts';
import { viewsOf } from './make-parts.ts';
import { baseViews } from './replayed-views.ts';
import { logitsOfRow, readOutputs, type TeacherStage } from './teacher-stage.ts';

export interface RecomputeJob {
  readonly store: Store;
  readonly dataset: Dataset;
  /** The store's teachers, in its order. */
  readonly teachers: readonly TeacherStage[];
  /** The distinct transforms of the teachers, by TeacherStage.images. */
  readonly transforms: readonly Transform[];
  /** Samples to compare, all of their views; the batches that they were in run whole. */
  readonly samples: number;
  readonly seed: number;
  readonly workers: number;
  readonly onProgress?: ((samples: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A sample that is looked at: its place in the store, and its row in the data set. */
interface Chosen {
  readonly ordinal: number;
  readonly row: number;
}

/** Finds the chosen samples' rows by key. @throws TemperError MISMATCH_VALUE for a sample that the data does not have */
async function findRows(store: Store, dataset: Dataset, ordinals: readonly number[]): Promise<Chosen[]> {
  const wanted = new Map<string, number>();
  const places = new Set(ordinals);
  let at = 0;
  for await (const { key } of store.samples()) {
    if (places.has(at)) wanted.set(key, at);
    at++;
  }
  const found: Chosen[] = [];
  for (let row = 0; row < dataset.length; row++) {
    const { key } = dataset.sample(row);
    const ordinal = wanted.get(key);
    if (ordinal === undefined) continue;
    found.push({ ordinal, row });
    wanted.delete(key);
  }
  const [missing] = wanted.keys();
  if (missing !== undefined) {
    throw new TemperError(
      'MISMATCH_VALUE',
      `${dataset.source}: has no sample "${missing}", of which the store has targets`,
      {
        hint: 'Name the data set that the store was made from.',
        details: { key: missing },
      },
    );
  }
  return found.sort((a, b) => a.ordinal - b.ordinal);
}

/** Whether a sample could be decoded when the store was made; asked for in rising order. */
function decodable(store: Store): { is(ordinal: number): boolean; close(): void } {
  const { views, rows_per_part } = store.manifest;
  let part: Part | undefined;
  return {
    is(ordinal) {
      const row = ordinal * views;
      const index = Math.floor(row / rows_per_part);
      if (part?.index !== index) {
        part?.close();
        part = undefined;
        part = store.part(index);
      }
      return part.views(row - part.first, row - part.first + 1).status[0] !== STATUS_BAD;
    },
    close: () => part?.close(),
  };
}

/** The samples that ran in each batch: bad images were in none. */
function batchesThatRan(store: Store, { batches }: ChosenBatches): number[][] {
  const good = decodable(store);
  try {
    return batches
      .map(({ first, end }) =>
        Array.from({ length: end - first }, (_, i) => first + i).filter((ordinal) => good.is(ordinal)),
      )
      .filter((ordinals) => ordinals.length > 0);
  } finally {
    good.close();
  }
}

/** The stored targets of all views of a sample, per teacher. */
function storedTargets(store: Store, ordinal: number): TargetRows[] {
  const { views, rows_per_part, teachers } = store.manifest;
  const row = ordinal * views;
  const index = Math.floor(row / rows_per_part);
  const part = store.part(index);
  try {
    const start = row - partRange(store.manifest, index).first;
    return teachers.map((_, t) => part.targets(t, start, start + views));
  } finally {
    part.close();
  }
}

interface Meta {
  readonly rows: Uint32Array;
  readonly keys: readonly string[];
  readonly statistics: readonly InputStatistics[];
}

/** The batches of the store again, their views by their records. */
async function* storedInputs(
  { store, dataset, transforms, workers, signal }: RecomputeJob,
  batches: readonly (readonly number[])[],
  chosen: readonly Chosen[],
): AsyncGenerator<Batch<Meta>> {
  const { manifest } = store;
  const ordinalOfRow = new Map(chosen.map(({ ordinal, row }) => [row, ordinal]));
  const views = viewsOf(manifest);
  const base = views && baseViews(store);
  const ends: number[] = [];
  for (const { length } of batches) ends.push((ends.at(-1) ?? 0) + length);
  try {
    const loaded = loadBatches(dataset, {
      rows: Uint32Array.from(chosen, ({ row }) => row),
      ends,
      transforms,
      views,
      records: base && ((row) => base.records(ordinalOfRow.get(row) as number)),
      batch: manifest.batch,
      workers,
      onBadImage: 'fail',
      statistics: true,
    });
    for await (const { inputs, rows, keys, statistics } of loaded) {
      signal?.throwIfAborted();
      yield { images: inputs as readonly Tensor[], meta: { rows, keys, statistics } };
    }
  } finally {
    base?.close();
  }
}

/**
 * Recomputes the targets of a seeded sample of a store, in the batches that the store was made in, its views by their records,
 * and says how they differ.
 * @returns per teacher
 * @throws TemperError MISMATCH_VALUE for samples that the data does not have; what decoding and sessions throw
 */
export async function recomputeTargets(job: RecomputeJob): Promise<TargetDifference[]> {
  const { store, dataset, teachers } = job;
  const { manifest } = store;
  const wanted = chooseBatches(manifest, job.samples, job.seed);
  const ran = batchesThatRan(store, wanted);
  const chosen = await findRows(store, dataset, ran.flat());
  const ordinalOfRow = new Map(chosen.map(({ ordinal, row }) => [row, ordinal]));
  const comparisons = teachers.map(() => targetComparison(manifest.temperatures, manifest.store_dtype === 'float16'));
  const logits = manifest.teachers.map(({ n_classes }) => new Float64Array(n_classes));
  const stages = teachers.map(({ session, input, output, images }) => ({
    session,
    input,
    images,
    fetches: [output.name],
  }));
  let done = 0;
  for await (const { meta, outputs, rows } of runBatches(stages, storedInputs(job, ran, chosen))) {
    const found = teachers.map((stage, t) => readOutputs(stage, outputs[t] ?? {}, rows, meta.keys));
    for (let i = 0; i < rows; i += manifest.views) {
      const ordinal = ordinalOfRow.get(meta.rows[i] as number) as number;
      if (!wanted.ordinals.has(ordinal)) continue;
      const stored = storedTargets(store, ordinal);
      for (const [t, { images }] of teachers.entries()) {
        const { channels, outputs: kind } = manifest.teachers[t] as (typeof manifest.teachers)[number];
        const { mean, std } = meta.statistics[images] as InputStatistics;
        const z = logits[t] as Float64Array;
        for (let view = 0; view < manifest.views; view++) {
          const [from, to] = [(i + view) * channels, (i + view + 1) * channels];
          logitsOfRow(found[t] as (typeof found)[number], i + view, kind, z);
          comparisons[t]?.add(stored[t] as TargetRows, view, z, [mean.subarray(from, to), std.subarray(from, to)]);
        }
      }
      job.onProgress?.(++done);
    }
  }
  return comparisons.map((comparison) => comparison.result());
}
