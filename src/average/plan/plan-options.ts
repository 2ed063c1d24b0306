import { TemperError } from '../../core/index.ts';

/** What the command line can ask of a plan, by the names of its options. Absent, `false` and `[]` mean not given. */
export interface PlanOptions {
  /** Absent: implied by the options of a method, else uniform. */
  readonly method?: string | undefined;

  /** Decay per snapshot, each in [0, 1). */
  readonly decay?: readonly number[] | undefined;
  /** Decay per training step, each in (0, 1); the steps are read from the names. */
  readonly decayPerStep?: readonly number[] | undefined;
  /** Training steps in an epoch, where names count the one and options the other. */
  readonly stepsPerEpoch?: number | undefined;
  /** `5` (snapshots), `5000steps` or `3epochs`. */
  readonly halfLife?: readonly string[] | undefined;
  readonly warmup?: boolean | undefined;
  readonly fromFirst?: boolean | undefined;

  /** Weights in plan order. */
  readonly weights?: readonly number[] | undefined;
  /** Weights as CSV: columns file and weight, or numbers in plan order. */
  readonly weightsText?: string | undefined;
  /** The name of the CSV in messages. */
  readonly weightsName?: string | undefined;

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

  readonly order?: 'natural' | 'mtime' | 'list' | undefined;
  readonly last?: readonly number[] | undefined;
  readonly first?: readonly number[] | undefined;
  /** Lowest step, inclusive. */
  readonly start?: number | undefined;
  /** Highest step, inclusive. */
  readonly end?: number | undefined;
  readonly every?: number | undefined;
  readonly best?: readonly number[] | undefined;
  /** The metrics table as CSV, with a header. */
  readonly metricsText?: string | undefined;
  /** The name of the metrics table in messages. */
  readonly metricsName?: string | undefined;
  readonly metric?: string | undefined;
  readonly mode?: 'max' | 'min' | undefined;
}

export type OptionName = keyof PlanOptions;

const FILE_FLAGS: Partial<Record<OptionName, string>> = {
  weightsText: '`weights`',
  weightsName: '`weights`',
  metricsText: '`metrics`',
  metricsName: '`metrics`',
};

/** The option as the user types it: `decayPerStep` is `--decay-per-step`. */
export function flagOf(option: OptionName): string {
  return FILE_FLAGS[option] ?? `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

export function usageError(message: string, hint: string, details: Record<string, unknown> = {}): TemperError {
  return new TemperError('USAGE', message, { hint, details });
}

type NumberListName = {
  [K in OptionName]: PlanOptions[K] extends readonly number[] | undefined ? K : never;
}[OptionName];

/**
 * The values of a list option, `[]` when not given.
 * @throws USAGE for a value that `accept` refuses, and for one given twice (two outputs of one name).
 */
export function listOf(
  options: PlanOptions,
  option: Exclude<NumberListName, 'weights'>,
  accept: (value: number) => boolean,
  expected: string,
): readonly number[] {
  const values = options[option] ?? [];
  const refused = values.find((value) => !accept(value));
  if (refused !== undefined)
    throw usageError(`${flagOf(option)} is ${refused}, expected ${expected}`, `Give ${expected}.`);
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) throw usageError(`${flagOf(option)} has ${twice} twice`, 'Give each value once.');
  return values;
}

export const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;
