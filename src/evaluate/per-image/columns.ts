import type { FieldRow } from '../../core/index.ts';
import type { Predictions } from '../predictions.ts';
import { type KeptScores, SCORE_COLUMNS, scoreColumn } from './kept-scores.ts';

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

/** A model's predictions; `part` where they are of one worker's images alone; `scores` where all that it gave is kept. */
export interface PerImage {
  readonly model: string;
  readonly predictions: Predictions;
  readonly part?: WorkerPart | undefined;
  readonly scores?: KeptScores | undefined;
}

/** The columns of a file of these models: with `part`, which worker they are of; with `scores`, the values that a model gave. */
export function perImageColumns(models: readonly PerImage[]): readonly string[] {
  const classes = Math.max(0, ...models.map(({ scores }) => scores?.classes ?? 0));
  return [
    ...COLUMNS,
    ...(models.some(({ part }) => part) ? PART_COLUMNS : []),
    ...(classes > 0 ? SCORE_COLUMNS : []),
    ...Array.from({ length: classes }, (_, k) => scoreColumn(k)),
  ];
}

/** Predictions as rows of a table, one an image, without the values of `scores`; float64 survives CSV and Parquet. */
export function* perImageRows({ model, predictions: p, part, scores }: PerImage): Generator<FieldRow> {
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
      ...(scores && { outputs: scores.outputs, output_type: scores.type }),
    };
  }
}
