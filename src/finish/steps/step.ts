import type { Cell, Control, FieldRow } from '../../core/index.ts';
import type { DataOptions, Transform } from '../../data/index.ts';
import type { RuntimeOptions } from '../../runtime/index.ts';
import type { ReadRun } from '../read.ts';
import type { KeyedSet, ReadSet } from '../split.ts';
import type { Evidence } from '../verdict.ts';

export type StepName = 'average' | 'size' | 'fix_res' | 'calibration';

/** The model that a step begins with. */
export interface Current {
  /** An ONNX file. */
  readonly model: string;
  /** External data counted. */
  readonly sha256: string;
  /** How images are shown to it. */
  readonly transform: Transform | undefined;
}

/** What a step would change, and what speaks for it: plain data, kept in the work folder. */
export interface Proposal {
  /** What it chose, for people: "uniform_last8, recalibrated". */
  readonly chose: string;
  /** What it chose from, for people: "76 averages of 12 snapshots". */
  readonly among: string;
  /** Better than the model before it on the half that judges; absent where there is nothing to propose. */
  readonly evidence?: Evidence;
  /** Why what was found is not judged, though it was tried. */
  readonly doubt?: string;
  /** Why the model before it cannot stay, whatever the evidence. */
  readonly forced?: string;
  /** What it wrote, in the step's folder; absent where the file stays as it is. */
  readonly model?: { readonly file: string; readonly sha256: string };
  readonly transform?: Transform;
  /** What was tried, as rows of a table, with what chose and what was chosen. */
  readonly rows: readonly FieldRow[];
  /** Single facts of this kind of step. */
  readonly facts: Readonly<Record<string, Cell>>;
  readonly warnings: readonly string[];
}

/** What steps are told. */
export interface StepRun {
  readonly read: ReadRun;
  /** Measured before, by the name of the row: time an image over that at the train size. */
  readonly latencies: ReadonlyMap<string, number> | undefined;
  readonly work: string;
  readonly control: Control;
}

/** A step: one existing job, and what its result means for the choice. */
export interface Step {
  readonly name: StepName;
  readonly title: string;
  readonly metric: Evidence['metric'];
  /** Whether the settings ask for it. */
  isOn(read: ReadRun): boolean;
  /** What the result depends on, beside the model it begins with. */
  key(run: StepRun): unknown;
  /** Writes into the folder. */
  propose(current: Current, run: StepRun, folder: string): Promise<Proposal>;
}

/** How models are run. */
export function runtimeOf({ settings }: ReadRun): RuntimeOptions {
  const { device, threads, batch, input, output } = settings;
  return { device: device as NonNullable<RuntimeOptions['device']>, threads, batch, input, output };
}

/** What all steps' results depend on: the images by table and rows, how they are run, the seed. */
export function commonKey({ read }: StepRun): unknown {
  const { settings, sets } = read;
  const { device, threads, batch, input, output, seed, onBadImage } = settings;
  const part = (set: ReadSet | undefined): unknown => set && [set.tableSha256, set.rowsSha256];
  return {
    device,
    threads,
    batch,
    input,
    output,
    seed,
    onBadImage,
    chooses: part(sets.choosing),
    train: part(sets.train),
  };
}

export const keySet = (set: KeyedSet): ReadonlySet<string> => new Set(set.keys);

export const observed = ({ control }: StepRun) => ({ observer: control, signal: control.signal });

/** The images of training, where BatchNormalization's statistics may be measured again. */
export const statisticsImages = ({ settings, train }: ReadRun): DataOptions | undefined =>
  settings.bn ? train : undefined;
