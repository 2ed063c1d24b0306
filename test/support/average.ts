import {
  type AveragedOutput,
  type AveragingOptions,
  averageCheckpoints,
  averageFiles,
  chooseTemplate,
  type AverageOptions as JobOptions,
  type PublishedOutput,
  planFiles,
  planTensors,
  type Row,
  type TensorPlan,
  type TensorRules,
} from '../../src/average/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { withModels } from '../../src/snapshots/index.ts';

export const RULES: TensorRules = { bn: 'average', onIntMismatch: 'error', match: 'auto' };

export interface AverageOptions extends Pick<JobOptions, 'dtype' | 'allowNonfinite' | 'force'> {
  readonly rules?: Partial<TensorRules>;
  readonly plan?: AveragingOptions;
  readonly signal?: AbortSignal;
  /** Runs when the snapshots are open and planned. */
  readonly opened?: () => void;
}

/** Opens snapshots for a test's duration. */
export const withSnapshots = <T>(
  files: readonly string[],
  use: (models: readonly Model[]) => T | Promise<T>,
): Promise<T> => withModels(files, async (models) => use(models));

export function tensorPlan(files: readonly string[], rules: Partial<TensorRules> = {}): Promise<TensorPlan> {
  return withSnapshots(files, (models) => planTensors(models, chooseTemplate(models), { ...RULES, ...rules }));
}

/** The job on files in the order listed, all of them used. */
export async function average(
  files: readonly string[],
  out: string,
  { rules, plan, signal, opened, ...options }: AverageOptions = {},
): Promise<readonly AveragedOutput[]> {
  const progress = () => {
    opened?.();
    return { update: () => undefined, end: () => undefined };
  };
  const { outputs } = await averageCheckpoints(
    { inputs: files, order: 'list', allowDuplicates: true, ...options, ...rules, ...plan, out },
    { signal, observer: { progress } },
  );
  return outputs;
}

/** Several averages in one pass, each into a file of its own: those of a plan, or rows. */
export function averageEach(
  files: readonly string[],
  outs: readonly string[],
  given: { readonly plan: AveragingOptions; readonly rules?: Partial<TensorRules> } | { readonly rows: readonly Row[] },
): Promise<PublishedOutput[]> {
  const { plan: options = {}, rules: some = {} } = 'rows' in given ? {} : given;
  const plan = planFiles(files, { order: 'list', ...options }, true, () => undefined);
  const rules = { ...RULES, ...some };
  return withModels(
    plan.snapshots.map(({ file }) => file),
    (models) => {
      const templateIndex = chooseTemplate(models);
      return averageFiles(
        {
          models,
          steps: plan.snapshots.map(({ step }) => step),
          templateIndex,
          plan: planTensors(models, templateIndex, rules),
          rules,
          rows: 'rows' in given ? given.rows : plan.rows,
          dtype: undefined,
          version: '0.0.0-test',
          allowNonfinite: false,
        },
        outs,
        false,
      );
    },
  );
}
