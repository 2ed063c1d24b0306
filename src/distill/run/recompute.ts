import { TemperError, random } from '../../core/index.ts';
import { type Dataset, type InputStatistics, type Transform, loadBatches } from '../../data/index.ts';
import { type Batch, type Tensor, runBatches } from '../../runtime/index.ts';
import { type Part, partRange, STATUS_BAD, type Store, type TargetRows } from '../store/index.ts';
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
  /** Samples to recompute, all of their views. */
  readonly samples: number;
  readonly seed: number;
  readonly workers: number;
  readonly onProgress?: ((samples: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `count` of the numbers below `n`, rising: a function of the seed. */
function chooseOrdinals(n: number, count: number, seed: number): number[] {
  if (count >= n) return Array.from({ length: n }, (_, i) => i);
  const stream = random(seed, 'verify');
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(stream.below(n));
  return [...chosen].sort((a, b) => a - b);
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

/** Leaves out samples that could not be decoded when the store was made. */
function decodable(store: Store, ordinals: readonly number[]): number[] {
  const { manifest } = store;
  let part: Part | undefined;
  try {
    return ordinals.filter((ordinal) => {
      const row = ordinal * manifest.views;
      const index = Math.floor(row / manifest.rows_per_part);
      if (part?.index !== index) {
        part?.close();
        part = undefined;
        part = store.part(index);
      }
      return part.views(row - part.first, row - part.first + 1).status[0] !== STATUS_BAD;
    });
  } finally {
    part?.close();
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

/**
 * Recomputes the targets of a seeded sample of a store, its views by their records, and says how they differ.
 * @returns per teacher
 * @throws TemperError MISMATCH_VALUE for samples that the data does not have; what decoding and sessions throw
 */
export async function recomputeTargets(job: RecomputeJob): Promise<TargetDifference[]> {
  const { store, dataset, teachers } = job;
  const { manifest } = store;
  const ordinals = decodable(store, chooseOrdinals(manifest.n_samples, job.samples, job.seed));
  const chosen = await findRows(store, dataset, ordinals);
  const ordinalOfRow = new Map(chosen.map(({ ordinal, row }) => [row, ordinal]));
  const views = viewsOf(manifest);
  const base = views && baseViews(store);
  const comparisons = teachers.map(() => targetComparison(manifest.temperatures, manifest.store_dtype === 'float16'));
  const logits = manifest.teachers.map(({ n_classes }) => new Float64Array(n_classes));

  interface Meta {
    readonly rows: Uint32Array;
    readonly keys: readonly string[];
    readonly statistics: readonly InputStatistics[];
  }
  async function* batches(): AsyncGenerator<Batch<Meta>> {
    const loaded = loadBatches(dataset, {
      rows: Uint32Array.from(chosen, ({ row }) => row),
      transforms: job.transforms,
      views,
      records: base && ((row) => base.records(ordinalOfRow.get(row) as number)),
      batch: manifest.batch,
      workers: job.workers,
      onBadImage: 'fail',
      statistics: true,
    });
    for await (const { inputs, rows, keys, statistics } of loaded) {
      job.signal?.throwIfAborted();
      yield { images: inputs as readonly Tensor[], meta: { rows, keys, statistics } };
    }
  }
  const stages = teachers.map(({ session, input, output, images }) => ({
    session,
    input,
    images,
    fetches: [output.name],
  }));
  let done = 0;
  try {
    for await (const { meta, outputs, rows } of runBatches(stages, batches())) {
      const found = teachers.map((stage, t) => readOutputs(stage, outputs[t] ?? {}, rows, meta.keys));
      for (let i = 0; i < rows; i += manifest.views) {
        const stored = storedTargets(store, ordinalOfRow.get(meta.rows[i] as number) as number);
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
  } finally {
    base?.close();
  }
  return comparisons.map((comparison) => comparison.result());
}
