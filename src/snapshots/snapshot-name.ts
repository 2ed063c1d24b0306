import { statSync } from 'node:fs';
import { readError } from '../core/index.ts';
import { compareNatural } from './natural-order.ts';

/** What a name counts: epochs when it says epoch or ep before the digits, steps when it says step or iter. */
export type StepUnit = 'epoch' | 'step' | 'unknown';

/** A snapshot as far as a plan knows it: nothing of its content. */
export interface Candidate {
  readonly file: string;
  readonly mtimeMs: number;
  readonly step: number | undefined;
  readonly unit: StepUnit;
  /** The width of the power-function EMA that the snapshot is, from a suffix such as `-0.050`. */
  readonly sigmaRel: number | undefined;
}

/** EDM2 writes the width with three decimals before the extension: `network-0002000-0.050`. */
const SIGMA_SUFFIX = /-(0\.\d{3})$/;
/** Those of models, so that `model-0.050` and `model.epoch14` keep their digits; tables name PyTorch's files. */
const EXTENSION = /\.(?:onnx|ort|pth\.tar|pth|pt|ckpt|safetensors|pkl|h5)$/i;
const LAST_DIGITS = /^(.*?)(\d+)\D*$/s;
const UNITS: readonly [RegExp, StepUnit][] = [
  [/(?:epochs?|(?<![a-z])eps?)[^a-z\d]*$/i, 'epoch'],
  [/(?:steps?|iters?|iterations?)[^a-z\d]*$/i, 'step'],
];

export function baseName(file: string): string {
  return file.slice(Math.max(file.lastIndexOf('/'), file.lastIndexOf('\\')) + 1);
}

/** The base name without its extension. */
export function stemOf(file: string): string {
  return baseName(file).replace(EXTENSION, '');
}

/**
 * Reads a snapshot's name: the step is the last run of digits in the base name, without extension and EMA suffix;
 * undefined without digits, or above 2^53.
 */
export function candidateOf(file: string, mtimeMs: number): Candidate {
  const stem = stemOf(file);
  const width = Number(SIGMA_SUFFIX.exec(stem)?.[1]);
  const isEma = width > 0 && width < Math.sqrt(1 / 12);
  const [, before = '', digits] = LAST_DIGITS.exec(isEma ? stem.replace(SIGMA_SUFFIX, '') : stem) ?? [];
  const step = Number(digits);
  return {
    file,
    mtimeMs,
    step: Number.isSafeInteger(step) ? step : undefined,
    unit: UNITS.find(([pattern]) => pattern.test(before))?.[1] ?? 'unknown',
    sigmaRel: isEma ? width : undefined,
  };
}

/** {@link candidateOf} of a file that is there. @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE */
export function candidateOfFile(path: string): Candidate {
  try {
    return candidateOf(path, statSync(path).mtimeMs);
  } catch (error) {
    throw readError(path, error);
  }
}

/** Natural order of base names, then of whole paths. */
export function compareFiles(a: Candidate, b: Candidate): number {
  return compareNatural(baseName(a.file), baseName(b.file)) || compareNatural(a.file, b.file);
}

/** A few base names for a message. */
export function namesOf(snapshots: readonly { readonly file: string }[]): string {
  const shown = snapshots.slice(0, 3).map(({ file }) => baseName(file));
  return shown.join(', ') + (snapshots.length > shown.length ? `, … (${snapshots.length} in all)` : '');
}
