import { readTable } from '../core/index.ts';
import type { StateChoice } from '../snapshots/index.ts';
import type { MethodName } from './methods/index.ts';
import type { CsvTable, MethodOptions, PlanOptions, SelectionOptions } from './plan/plan-options.ts';
import type { TensorRules } from './tensor-plan.ts';

/** Which files are averaged; tables are named by their paths. */
export interface SnapshotOptions extends SelectionOptions<string> {
  /** Snapshots of one run: files, folders of them, or globs. */
  readonly inputs: readonly string[];
  /** Which files of a folder are snapshots, with `*` and `?`. @default '*.onnx'; where there are none, training checkpoints */
  readonly pattern?: string | undefined;
  /** Keep snapshots that are the same bytes as another. @default false */
  readonly allowDuplicates?: boolean | undefined;
  /** Which weights of training checkpoints: a rule, or a key of the file. @default 'auto', EMA weights where there are some */
  readonly state?: StateChoice | undefined;
}

/** How they are averaged; tables are named by their paths. */
export interface AveragingOptions extends SelectionOptions<string>, MethodOptions<string> {
  /** The kind of average. @default told by the options of a kind that are given, else 'uniform' */
  readonly method?: MethodName | undefined;
}

/**
 * What becomes of tensors that are no float weights, and how those of two snapshots are paired.
 * Defaults: `bn` 'average', `match` 'auto', `onIntMismatch` 'error', `quantized` 'requantize'.
 */
export type TensorOptions = { readonly [K in keyof TensorRules]?: TensorRules[K] | undefined };

const tableAt = (path: string): CsvTable => ({ name: path, text: readTable(path) });

/** Reads the tables that options name. @throws TemperError INPUT_*, FORMAT_LIMIT */
export function withTables(options: AveragingOptions): PlanOptions {
  const { metrics, weights } = options;
  return {
    ...options,
    metrics: metrics === undefined ? undefined : tableAt(metrics),
    weights: typeof weights === 'string' ? tableAt(weights) : weights,
  };
}

/** Fills in defaults. */
export const tensorRules = ({
  bn = 'average',
  match = 'auto',
  onIntMismatch = 'error',
  quantized,
}: TensorOptions): TensorRules => ({ bn, match, onIntMismatch, quantized });
