import { statSync } from 'node:fs';
import { readError, shortNames } from '../core/index.ts';
import { type NameNumber, numbersOf } from './name-numbers.ts';
import { compareNatural } from './natural-order.ts';

/** What a name counts: epochs when it says epoch or ep before the digits, steps when it says step or iter. */
export type StepUnit = 'epoch' | 'step' | 'unknown';

/** A snapshot as far as a plan knows it: nothing of its content. */
export interface Candidate {
  readonly file: string;
  /** What people call it: the base name; its folder where all base names are equal (`checkpoint-500`), its path in the run where some are. */
  readonly name: string;
  readonly mtimeMs: number;
  readonly step: number | undefined;
  readonly unit: StepUnit;
  /** The width of the power-function EMA that the snapshot is, from a suffix such as `-0.050` that recurs at other steps. */
  readonly sigmaRel: number | undefined;
  /** Such a suffix, be it a width or a metric (Keras: `model.14-0.237`): a width if the user says so. */
  readonly suffix: number | undefined;
  /** What a training checkpoint says of itself. */
  readonly metric?: { readonly name: string; readonly value: number } | undefined;
}

/** EDM2 writes the width with three decimals before the extension (`network-0002000-0.050`), Keras a loss. */
const SUFFIX = /-(\d\.\d{3})$/;
/** The widest profile, the uniform average: 1/√12. */
const MAX_WIDTH = Math.sqrt(1 / 12);
/** Those of models, so that `model-0.050` and `model.epoch14` keep their digits; tables name PyTorch's files. */
const EXTENSIONS = /(?:\.(?:onnx|ort|pth\.tar|pth|pt|ckpt|safetensors|pkl|hdf5|h5|keras|pdparams|bin))+$/i;
/** Folders above the file that are looked at where there is no other snapshot to compare with. */
const NEAREST = 2;

/** The surest kind of number first. */
const BY_CERTAINTY = ['step', 'epoch', 'checkpoint', 'number'] as const;

export function baseName(file: string): string {
  return file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
}

/** A name without the extensions that models have. */
export function withoutExtension(name: string): string {
  return name.replace(EXTENSIONS, '');
}

/** The base name without its extension. */
export function stemOf(file: string): string {
  return withoutExtension(baseName(file));
}

/** The surest of a name's numbers, of equally sure ones the last. */
function surest(numbers: readonly NameNumber[]): NameNumber | undefined {
  for (const certainty of BY_CERTAINTY) {
    const found = numbers.findLast((number) => number.certainty === certainty);
    if (found) return found;
  }
  return undefined;
}

/** Slots whose number is the same in all names that hold any: they tell no snapshot from another. */
function constantSlots(names: readonly (readonly NameNumber[])[]): ReadonlySet<string> {
  const numbered = names.filter((numbers) => numbers.length > 0);
  const [first = [], ...others] = numbered;
  const same = first.filter(({ slot, value }) =>
    others.every((numbers) => numbers.some((number) => number.slot === slot && number.value === value)),
  );
  return new Set(others.length === 0 ? [] : same.map(({ slot }) => slot));
}

/**
 * Slots of second numbers behind `checkpoint` that fall while the first ones rise: metrics (`checkpoint_14-237`). A count of steps
 * (`checkpoint_3_12000`, fairseq's) rises with the epochs.
 */
function fallingSlots(names: readonly (readonly NameNumber[])[]): ReadonlySet<string> {
  const pairs = names.flatMap((numbers) => {
    const [first, second] = numbers.filter(({ certainty }) => certainty === 'checkpoint');
    return first && second ? [{ first, second }] : [];
  });
  pairs.sort((a, b) => a.first.value - b.first.value || a.second.value - b.second.value);
  const falling = pairs.filter(({ second }, i) => i > 0 && second.value < (pairs[i - 1]?.second.value ?? 0));
  return new Set(falling.map(({ second }) => second.slot));
}

/** The number of each name that may be its step; none where it is the same for all. */
function varyingNumbers(names: readonly (readonly NameNumber[])[]): (NameNumber | undefined)[] {
  const useless = new Set([...constantSlots(names), ...fallingSlots(names)]);
  const found = names.map((numbers) => surest(numbers.filter(({ slot }) => !useless.has(slot))));
  const values = found.flatMap((number) => (number ? [number.value] : []));
  return values.length > 1 && new Set(values).size === 1 ? names.map(() => undefined) : found;
}

/** What people call files: nothing of where the run lies. */
function namesIn(files: readonly string[]): string[] {
  const names = shortNames(files);
  if (files.length < 2 || names.some((name, i) => name !== files[i])) return names;
  const folders = foldersOf(files);
  return files.map((file, i) => [...(folders[i] ?? []).toReversed(), baseName(file)].join('/'));
}

/** The folders of each file, the nearest first, without those that all files lie in. */
function foldersOf(files: readonly string[]): string[][] {
  const all = files.map((file) => file.split(/[/\\]/).slice(0, -1));
  const [first = [], ...others] = all;
  if (others.length === 0) return [first.slice(-NEAREST).toReversed()];
  const differing = first.findIndex((part, i) => others.some((folders) => folders[i] !== part));
  const shared = differing < 0 ? first.length : differing;
  return all.map((folders) => folders.slice(shared).toReversed());
}

/** The steps that folders say, by the nearest one: any number where files have one name, else a number after a word. */
function folderNumbers(files: readonly string[], sameName: boolean): (NameNumber | undefined)[] {
  const folders = foldersOf(files);
  const depth = Math.max(...folders.map(({ length }) => length));
  const levels = Array.from({ length: depth }, (_, level) =>
    varyingNumbers(
      folders.map((parts) =>
        numbersOf(parts[level] ?? '').filter(({ certainty }) => sameName || certainty !== 'number'),
      ),
    ),
  );
  return files.map((_, i) => levels.map((level) => level[i]).find((number) => number !== undefined));
}

/** The number that each of these files counts its training by. */
function stepNumbers(files: readonly string[]): (NameNumber | undefined)[] {
  const numbers = files.map((file) => numbersOf(stemOf(file)));
  const own = varyingNumbers(numbers);
  const sameName = files.length > 1 && new Set(files.map(baseName)).size === 1;
  const folders = folderNumbers(files, sameName);
  // `step=1000` and `step=1000-v1` are both of step 1000: what a word says holds where nothing else tells them apart.
  return own.map(
    (number, i) => number ?? folders[i] ?? surest((numbers[i] ?? []).filter(({ certainty }) => certainty !== 'number')),
  );
}

/**
 * Whether suffixes are widths of EMAs: each recurs at another step, and there is one alone, or a step has several. A loss, which
 * may recur too, is written once a step.
 */
function areWidths(suffixed: readonly { suffix: number; step: number | undefined }[]): boolean {
  const widths = new Set(suffixed.map(({ suffix }) => suffix));
  const steps = new Set(suffixed.map(({ step }) => step));
  const valid = [...widths].every((width) => width > 0 && width < MAX_WIDTH);
  const recurs = suffixed.every((one) =>
    suffixed.some(({ suffix, step }) => suffix === one.suffix && step !== one.step),
  );
  return valid && recurs && (widths.size === 1 || steps.size < suffixed.length);
}

const unitOf = (number: NameNumber | undefined): StepUnit =>
  number?.certainty === 'step' || number?.certainty === 'epoch' ? number.certainty : 'unknown';

/**
 * Reads the names of snapshots, which explain each other. A step is the number after a word (step, iteration, epoch, checkpoint),
 * else the last whole number, in the base name, else in the folders; metrics, fractions, settings (`-v1`, `_fp16`, `_opset17`) and
 * numbers that all names have in common are none. Undefined where there is no such number, or above 2^53.
 */
export function candidatesOf(files: readonly { readonly file: string; readonly mtimeMs: number }[]): Candidate[] {
  const paths = [...new Set(files.map(({ file }) => file))];
  const numbers = new Map(stepNumbers(paths).map((number, i) => [paths[i], number]));
  const names = new Map(namesIn(paths).map((name, i) => [paths[i], name]));
  const read = files.map(({ file, mtimeMs }) => {
    const number = numbers.get(file);
    const suffix = SUFFIX.exec(stemOf(file))?.[1];
    return {
      ...{ file, name: names.get(file) ?? baseName(file), mtimeMs, step: number?.value, unit: unitOf(number) },
      suffix: suffix === undefined ? undefined : Number(suffix),
    };
  });
  const suffixed = read.flatMap(({ suffix, step }) => (suffix === undefined ? [] : [{ suffix, step }]));
  const widths = areWidths(suffixed);
  return read.map((one) => ({ ...one, sigmaRel: widths ? one.suffix : undefined }));
}

/** {@link candidatesOf} of files that are there. @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE */
export function candidatesOfFiles(paths: readonly string[]): Candidate[] {
  return candidatesOf(
    paths.map((file) => {
      try {
        return { file, mtimeMs: statSync(file).mtimeMs };
      } catch (error) {
        throw readError(file, error);
      }
    }),
  );
}

/** Natural order of base names, then of whole paths. */
export function compareFiles(a: Pick<Candidate, 'file'>, b: Pick<Candidate, 'file'>): number {
  return compareNatural(baseName(a.file), baseName(b.file)) || compareNatural(a.file, b.file);
}

/** A few names for a message. */
export function namesOf(snapshots: readonly Pick<Candidate, 'name'>[]): string {
  const shown = snapshots.slice(0, 3).map(({ name }) => name);
  return shown.join(', ') + (snapshots.length > shown.length ? `, … (${snapshots.length} in all)` : '');
}
