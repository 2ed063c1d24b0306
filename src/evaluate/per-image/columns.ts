import type { FieldRow } from '../../core/index.ts';
import type { Predictions } from '../predictions.ts';

/** Columns of a per-image file, one row an image and model; everything else can be computed from them. */
export const COLUMNS = [
  'model',
  'key',
  'label',
  'class1',
  'class2',
  'class3',
  'class4',
  'class5',
  'nll',
  'confidence',
  'sum_p2',
] as const;
export const TOP = 5;
export const CLASS_COLUMNS = Array.from({ length: TOP }, (_, k) => `class${k + 1}`);

/** Of a worker's file: which worker, and a hash of all that the workers of one job have in common. */
export interface WorkerPart {
  /** i/n. */
  readonly shard: string;
  readonly job_sha256: string;
}
export const PART_COLUMNS = ['shard', 'job_sha256'] as const satisfies readonly (keyof WorkerPart)[];

/** A model's predictions; `part` where they are of one worker's images alone. */
export interface PerImage {
  readonly model: string;
  readonly predictions: Predictions;
  readonly part?: WorkerPart | undefined;
}

/** The columns of a file of these models: with `part`, which worker they are of. */
export const perImageColumns = (models: readonly PerImage[]): readonly string[] =>
  models.some(({ part }) => part) ? [...COLUMNS, ...PART_COLUMNS] : COLUMNS;

/** Predictions as rows of a table, one an image; float64 survives CSV and Parquet. */
export function* perImageRows({ model, predictions: p, part }: PerImage): Generator<FieldRow> {
  for (const [i, key] of p.keys.entries()) {
    const classes = Object.fromEntries(CLASS_COLUMNS.map((name, k) => [name, p.top5[TOP * i + k]]));
    yield {
      model,
      key,
      label: p.labels[i],
      ...classes,
      nll: p.nll[i],
      confidence: p.confidence[i],
      sum_p2: p.sumP2[i],
      ...part,
    };
  }
}
