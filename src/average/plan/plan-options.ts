import { TemperError } from '../../core/index.ts';

/** How long a snapshot takes to count half as much as a new one: in snapshots, or in training steps or epochs. */
export type HalfLife = number | { readonly steps: number } | { readonly epochs: number };

/** A table in CSV, with the name that messages give it. */
export interface CsvTable {
  readonly name: string;
  readonly text: string;
}

/** Which snapshots, in which order. Absent, `false` and `[]` mean not given, here and in {@link MethodOptions}. */
export interface SelectionOptions<Table> {
  /** By step and name, by age, or as listed. @default 'natural' */
  readonly order?: 'natural' | 'mtime' | 'list' | undefined;
  /** The newest k; several: one output each. */
  readonly last?: readonly number[] | undefined;
  /** The oldest k; several: one output each. */
  readonly first?: readonly number[] | undefined;
  /** Lowest step, inclusive. */
  readonly start?: number | undefined;
  /** Highest step, inclusive. */
  readonly end?: number | undefined;
  /** Every k-th, counted back from the newest. */
  readonly every?: number | undefined;
  /** The k best by `metric`; several: one output each. */
  readonly best?: readonly number[] | undefined;
  /** Metrics as CSV, with a header: timm's summary.csv. */
  readonly metrics?: Table | undefined;
  /** The column of `metrics` to rank by. */
  readonly metric?: string | undefined;
  /** Whether more or less of the metric is better. @default 'max', unless its name is that of a loss */
  readonly mode?: 'max' | 'min' | undefined;
}

/** How the selected snapshots are averaged. */
export interface MethodOptions<Table> {
  /** Absent: implied by the options of a method, else uniform. */
  readonly method?: string | undefined;

  /** Decay per snapshot, each in [0, 1). */
  readonly decay?: readonly number[] | undefined;
  /** Decay per training step, each in (0, 1); the steps are read from the names. */
  readonly decayPerStep?: readonly number[] | undefined;
  /** Training steps in an epoch, where names count the one and options the other. */
  readonly stepsPerEpoch?: number | undefined;
  /** Decay by half-life: in snapshots, training steps or epochs. */
  readonly halfLife?: readonly HalfLife[] | undefined;
  /** timm's warm-up of an EMA: d_i = min(d, 1 - (1 + i)^(-2/3)). @default false */
  readonly warmup?: boolean | undefined;
  /** Start an EMA from the first snapshot, as trainers do, instead of correcting its bias. @default false */
  readonly fromFirst?: boolean | undefined;

  /** Weights in plan order, or as CSV: columns file and weight, or numbers in plan order. */
  readonly weights?: readonly number[] | Table | undefined;

  /** Relative widths of power-function EMA profiles, each in (0, 1/√12). */
  readonly sigmaRel?: readonly number[] | undefined;
  /** Exponents of power-function EMA profiles, each >= 0. */
  readonly gamma?: readonly number[] | undefined;
  /** The step at which the first raw snapshot's interval starts. */
  readonly t0?: number | undefined;
  /** The snapshots are power-function EMAs of this width. */
  readonly inputSigmaRel?: number | undefined;

  /** Share of the values that are left out at each end, in [0, 0.5). */
  readonly trim?: number | undefined;
  /** Model Stock's anchor: the file, or its name, of one of the snapshots. */
  readonly base?: string | undefined;
}

/** What a plan is made of. */
export interface PlanOptions extends SelectionOptions<CsvTable>, MethodOptions<CsvTable> {}

export type OptionName = keyof PlanOptions;

export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

export function usageError(message: string, hint: string, details: Record<string, unknown> = {}): TemperError {
  return new TemperError('USAGE', message, { hint, details });
}

/** The options that are lists of numbers; weights have rules of their own. */
type NumberListName = {
  [K in OptionName]: PlanOptions[K] extends readonly number[] | undefined ? K : never;
}[OptionName];

/**
 * The values of a list option, `[]` when not given.
 * @throws USAGE for a value that `accept` refuses, and for one given twice (two outputs of one name).
 */
export function listOf(
  options: PlanOptions,
  option: NumberListName,
  accept: (value: number) => boolean,
  expected: string,
): readonly number[] {
  const values = options[option] ?? [];
  const refused = values.find((value) => !accept(value));
  if (refused !== undefined) throw usageError(`\`${option}\` is ${refused}, expected ${expected}`, `Give ${expected}.`);
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) throw usageError(`\`${option}\` has ${twice} twice`, 'Give each value once.');
  return values;
}

export const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;
