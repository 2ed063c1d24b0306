import { cpus } from 'node:os';
import { basename } from 'node:path';
import { assertSameFields, canonicalHash, version, type WrittenRun } from '../../core/index.ts';
import { type ChosenData, rowsHash } from '../../data/index.ts';
import { batchOf, type RuntimeOptions } from '../../runtime/index.ts';
import type { SweepModel } from './models.ts';
import type { Cell } from './plan.ts';

/** What the rows of a sweep were measured from, and by what. Workers of one job agree on all of it but the processor. */
export interface PartRun {
  /** Of onnx-temper. */
  readonly version: string;
  readonly models: readonly { readonly name: string; readonly sha256: string }[];
  /** Base name of the data set. */
  readonly data: string;
  readonly data_table_sha256: string;
  readonly rows_sha256: string;
  /** Images that are chosen. */
  readonly images: number;
  /** Rows of the table, and the hash of what they are: models, sizes, transforms, variants. */
  readonly cells: number;
  readonly grid_sha256: string;
  /** Of the images of training, if statistics are measured. */
  readonly train: { readonly data_table_sha256: string; readonly rows_sha256: string } | null;
  readonly batch_size: number;
  readonly on_bad_image: string;
  readonly input: string | null;
  readonly output: string | null;
  readonly providers: readonly string[];
  readonly onnxruntime: string;
  /** Processor type: other types may round in another order. */
  readonly processor: string;
}

interface PartRunOptions extends RuntimeOptions {
  readonly onBadImage?: 'fail' | 'skip' | undefined;
}

export function partRun(
  models: readonly SweepModel[],
  cells: readonly Cell[],
  chosen: ChosenData,
  train: ChosenData | undefined,
  options: PartRunOptions,
): PartRun {
  const { dataset, rows } = chosen;
  return {
    version,
    models: models.map(({ name, sha256 }) => ({ name, sha256 })),
    data: basename(dataset.source),
    data_table_sha256: dataset.tableHash(),
    rows_sha256: rowsHash(rows),
    images: rows.length,
    cells: cells.length,
    grid_sha256: canonicalHash(cells),
    train: train ? { data_table_sha256: train.dataset.tableHash(), rows_sha256: rowsHash(train.rows) } : null,
    batch_size: batchOf(
      options,
      models.map(({ input }) => input.batch),
    ),
    on_bad_image: options.onBadImage ?? 'fail',
    input: options.input ?? null,
    output: options.output ?? null,
    providers: models.map(({ provider }) => provider),
    onnxruntime: models[0]?.onnxruntime ?? '',
    processor: cpus()[0]?.model ?? 'unknown',
  };
}

const FIELDS = [
  ...['version', 'models', 'data', 'data_table_sha256', 'rows_sha256', 'images', 'cells', 'grid_sha256', 'train'],
  ...['batch_size', 'on_bad_image', 'input', 'output', 'providers', 'onnxruntime'],
] as (keyof PartRun)[];

/** What to do where workers differ. */
const REMEDIES: Partial<Record<keyof PartRun, string>> = {
  version: 'Run all workers and the sweep after them with one version of onnx-temper.',
  models: 'Give all workers the same model files, by the same names.',
  data_table_sha256: 'Give all workers the same data: same files, same labels.',
  grid_sha256: 'Give all workers the same sizes, crop ratios, interpolations, variants and transform.',
  providers: 'Run all workers on one kind of device (`device`), so that the result does not depend on who did what.',
  onnxruntime: 'Run all workers with one version of onnxruntime-node.',
};

/** Runs may differ in the processor alone. @throws TemperError MISMATCH_VALUE naming file and field */
export const assertSameSweep = (reference: WrittenRun<PartRun>, file: WrittenRun<PartRun>): void =>
  assertSameFields(FIELDS, reference, file, (field) => REMEDIES[field]);
