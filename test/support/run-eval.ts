import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { FASHION } from './fashion.ts';
import { type CliResult, EVAL_CKPT, runProgram } from './run-cli.ts';

export const IMAGES = `${FASHION}/test-images-idx3-ubyte.gz`;
const LABELS = `${FASHION}/test-labels-idx1-ubyte.gz`;
/** The real test images, and how the snapshots saw theirs. */
export const DATA = ['--data', IMAGES, '--labels', LABELS] as const;
export const TRANSFORM = ['--preset', 'none', '--mean', '0.2860', '--std', '0.3530'] as const;
export const ON_CPU = ['--device', 'cpu', '--threads', '1', '--workers', '1'] as const;

export type Row = Readonly<Record<string, string | number>>;

export interface Document {
  readonly models: readonly Row[];
  readonly gates: { readonly passed: boolean; readonly missed: readonly string[] };
  readonly bad_images: readonly Row[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null };
}

export const evalCkpt = (...args: readonly string[]): CliResult => runProgram(EVAL_CKPT, [...args, ...ON_CPU]);

/** Runs with --json; the command must end with `status`. */
export function evalJson(args: readonly string[], status = 0): Document {
  const run = evalCkpt(...args, '--json', '--quiet');
  assert.equal(run.status, status, run.stderr);
  return JSON.parse(run.stdout) as Document;
}

/** A failure's document; message and hint together match the pattern. */
export function evalFails(args: readonly string[], status: number, code: string, pattern: RegExp): void {
  const { error } = evalJson(args, status);
  assert.equal(error?.code, code, error?.message);
  assert.match(`${error?.message} ${error?.hint}`, pattern);
}

/** What a row measured and was set to, without the fields that change from run to run. */
export function withoutTiming(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).filter(([name]) => !/^(img_s_|ms_|speed_ratio|peak_memory|pareto)/.test(name)),
  );
}

/** The rows of a CSV but for times. */
export const untimedRows = (path: string): Row[] =>
  (parse(readFileSync(path), { columns: true }) as Row[]).map(withoutTiming);

/** The measured numbers of one model alone, by which two runs with different settings or files compare. */
export function scoresOf(row: Row | undefined): Row {
  const names = /^(n_images|top1|top5|mean_per_class|nll|brier|ece15)(_lo|_hi|_if_calibrated)?$/;
  return Object.fromEntries(Object.entries(row ?? {}).filter(([name]) => names.test(name)));
}
