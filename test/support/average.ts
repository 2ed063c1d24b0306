import { type PlanOptions, type PublishedOutput, type Row, type TensorPlan, type TensorRules, averageFiles, chooseTemplate, planRows, planTensors } from '../../src/average/index.ts';
import type { FloatType } from '../../src/core/index.ts';
import { type Model, openModel } from '../../src/onnx/index.ts';
import { candidateOf } from '../../src/snapshots/index.ts';

export const RULES: TensorRules = { bn: 'average', onIntMismatch: 'error', match: 'auto' };

export interface AverageOptions {
  readonly rules?: Partial<TensorRules>;
  readonly plan?: PlanOptions;
  /** Instead of the plan's own rows. */
  readonly rows?: readonly Row[];
  readonly dtype?: FloatType;
  readonly allowNonfinite?: boolean;
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  /** Runs when the snapshots are open and planned. */
  readonly opened?: (models: readonly Model[]) => void;
}

/** Opens snapshots for a test's duration. */
export async function withSnapshots<T>(
  files: readonly string[],
  use: (models: readonly Model[]) => T | Promise<T>,
): Promise<T> {
  const models = files.map((file) => openModel(file));
  try {
    return await use(models);
  } finally {
    for (const model of models) model.close();
  }
}

export function tensorPlan(files: readonly string[], rules: Partial<TensorRules> = {}): Promise<TensorPlan> {
  return withSnapshots(files, (models) => planTensors(models, chooseTemplate(models), { ...RULES, ...rules }));
}

/** What the command does with its files, in process and in the order listed. */
export function average(
  files: readonly string[],
  outs: string | readonly string[],
  options: AverageOptions = {},
): Promise<PublishedOutput[]> {
  const paths = typeof outs === 'string' ? [outs] : outs;
  const plan = planRows(
    files.map((file) => candidateOf(file, 0)),
    { order: 'list', ...options.plan },
  );
  const rules = { ...RULES, ...options.rules };
  return withSnapshots(
    plan.snapshots.map(({ file }) => file),
    (models) => {
      const templateIndex = chooseTemplate(models);
      const tensors = planTensors(models, templateIndex, rules);
      options.opened?.(models);
      return averageFiles(
        {
          models,
          steps: plan.snapshots.map(({ step }) => step),
          templateIndex,
          plan: tensors,
          rules,
          rows: options.rows ?? plan.rows,
          dtype: options.dtype,
          version: '0.0.0-test',
          allowNonfinite: options.allowNonfinite ?? false,
          signal: options.signal,
        },
        paths,
        options.force ?? false,
      );
    },
  );
}
