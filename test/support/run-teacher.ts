import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type CliResult, runProgram, TEACHER_LOGITS } from './run-cli.ts';
import { DATA, ON_CPU, type Row, TRANSFORM } from './run-eval.ts';

/** The real test images at 20 px, as the snapshots saw theirs. */
export const IMAGES_20 = [...DATA, ...TRANSFORM, '--size', '20'] as const;

export interface StoreDocument {
  readonly complete: boolean;
  readonly n_rows: number;
  readonly n_parts: number;
  readonly parts_made: number;
  readonly parts_kept: number;
  readonly bytes: number;
  readonly manifest_sha256: string | null;
  readonly estimated_bytes: number;
  readonly teachers: readonly Row[];
  readonly gates: { readonly passed: boolean; readonly missed: readonly string[] };
  readonly bad_images: readonly Row[];
  readonly passed: boolean;
  readonly problems: readonly Row[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string | null };
}

export const teacherLogits = (...args: readonly string[]): CliResult => runProgram(TEACHER_LOGITS, args);

/** Runs with --json; the command must end with `status`. */
export function teacherJson(args: readonly string[], status = 0): StoreDocument {
  const run = teacherLogits(...args, ...(args[0] === 'merge' ? [] : ON_CPU), '--json', '--quiet');
  assert.equal(run.status, status, `${run.stderr}${run.stdout}`);
  return JSON.parse(run.stdout) as StoreDocument;
}

/** A failure; message and hint together match the pattern. */
export function teacherFails(args: readonly string[], status: number, code: string, pattern: RegExp): void {
  const { error } = teacherJson(args, status);
  assert.equal(error?.code, code, error?.message);
  assert.match(`${error?.message} ${error?.hint}`, pattern);
}

/** SHA-256 of every file of a folder, by path. */
export function fileHashes(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true }).map(String).sort();
  return Object.fromEntries(
    files
      .filter((file) => statSync(join(folder, file)).isFile())
      .map((file) => [
        file,
        createHash('sha256')
          .update(readFileSync(join(folder, file)))
          .digest('hex'),
      ]),
  );
}
