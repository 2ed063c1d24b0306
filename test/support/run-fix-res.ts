import assert from 'node:assert/strict';
import { join } from 'node:path';
import { FASHION } from './fashion.ts';
import { type CliResult, FIX_RES, runProgram } from './run-cli.ts';
import { ON_CPU, TRANSFORM } from './run-eval.ts';

const file = (name: string): string => join(FASHION, `${name}-ubyte.gz`);
/** The 2,000 training images, and the 10,000 test images. */
export const TRAIN = ['--train', file('train-2k-images-idx3'), '--train-labels', file('train-2k-labels-idx1')] as const;
export const VAL = ['--val', file('test-images-idx3'), '--val-labels', file('test-labels-idx1')] as const;
/** From 20 px, the size of the snapshots' training, to the whole picture. */
export const SIZES = ['--train-size', '20', '--size', '28', ...TRANSFORM] as const;
/** The settings of the golden numbers. */
export const AS_TORCH = [
  ...['--transform', 'v1', '--no-shuffle', '--batch', '100', '--lr', '0.01', '--epochs', '4'],
] as const;

export const fixRes = (...args: readonly string[]): CliResult => runProgram(FIX_RES, [...args, ...ON_CPU]);

type Row = Readonly<Record<string, number | string>>;

export interface FixResDocument {
  readonly output: { readonly path: string; readonly bytes: number; readonly sha256: string } | null;
  readonly mode: string;
  readonly layer: { readonly name: string; readonly batch_normalization: string } | null;
  readonly changed: readonly string[];
  readonly n_images: number;
  readonly epochs: readonly Row[];
  readonly epoch: number;
  readonly guard: Readonly<Record<string, number | boolean>>;
  readonly comparisons: readonly Row[];
}

export function fixResJson(args: readonly string[], status = 0): FixResDocument {
  const run = fixRes(...args, '--json', '--quiet');
  assert.equal(run.status, status, `${run.stderr}${run.stdout.slice(0, 500)}`);
  return JSON.parse(run.stdout) as FixResDocument;
}

export function fixResFails(args: readonly string[], status: number, code: string, pattern: RegExp): void {
  const run = fixRes(...args, '--json', '--quiet');
  const { error } = JSON.parse(run.stdout) as { error: { code: string; message: string; hint: string | null } };
  assert.equal(error.code, code, error.message);
  assert.match(`${error.message} ${error.hint}`, pattern);
  assert.equal(run.status, status);
}
