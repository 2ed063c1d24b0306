import type { MappedTensor } from '../snapshots/index.ts';
import type { Plan } from './plan/plan.ts';
import type { AverageRecord } from './record.ts';
import { effectiveModels } from './rows/row-terms.ts';
import type { TensorPlan } from './tensor-plan.ts';
import type { PublishedOutput } from './write-outputs.ts';

/** What became of the tensors of the network. */
export interface TensorCounts {
  /** Tensors that the outputs hold new values for. */
  readonly averaged: number;
  /** All tensors, by role. */
  readonly roles: Readonly<Record<string, number>>;
}

/** One average before it is made. */
export interface PlannedAverage {
  /** Its name: method and parameters. */
  readonly average: string;
  readonly divisor: number;
  /** (Σw)²/Σw². */
  readonly effective_models: number;
  /** Snapshots in plan order: weight = coefficient / divisor. */
  readonly inputs: readonly {
    readonly file: string;
    readonly step: number | null;
    readonly coefficient: number;
    readonly weight: number;
  }[];
}

export interface PlanRecord {
  readonly averages: readonly PlannedAverage[];
  readonly tensors: TensorCounts;
  /** Of training checkpoints with a template. */
  readonly map?: readonly MappedTensor[];
}

/** One average that was written: its files, and what metadata_props say of it. */
export interface AveragedOutput extends AverageRecord {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** External data, where the snapshots have some. */
  readonly data: { readonly path: string; readonly bytes: number; readonly sha256: string } | null;
  readonly effective_models: number;
}

export interface AveragingRecord {
  readonly outputs: readonly AveragedOutput[];
  readonly tensors: TensorCounts;
}

export function plannedAverages({ rows, snapshots }: Plan): PlannedAverage[] {
  return rows.map((row) => ({
    average: row.name,
    divisor: row.divisor,
    effective_models: effectiveModels(row),
    inputs: snapshots.map(({ file, step }, i) => {
      const coefficient = row.coefficients[i] as number;
      return { file, step: step ?? null, coefficient, weight: coefficient / row.divisor };
    }),
  }));
}

export function averagedOutput({ path, bytes, sha256, data, row, record }: PublishedOutput): AveragedOutput {
  return { path, bytes, sha256, data: data ?? null, effective_models: effectiveModels(row), ...record };
}

export function tensorCounts({ tensors, roles }: TensorPlan): TensorCounts {
  return { averaged: tensors.length, roles: Object.fromEntries(roles) };
}
