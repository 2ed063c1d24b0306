import { existsSync } from 'node:fs';
import { openFile, outputExists, TemperError } from '../core/index.ts';
import type { Device } from '../runtime/index.ts';
import type { Reference } from './folded/reference.ts';
import { readMomentsFile } from './moments-file.ts';
import { assertSameRun, type RunSettings } from './moments-run.ts';

/** The goals of folded layers that a file of moments keeps; nothing of a file that is none: it is compared later. */
export function readReferenceOf(path: string): Reference | undefined {
  if (!existsSync(path)) return undefined;
  const source = openFile(path);
  try {
    return readMomentsFile(source).reference;
  } catch (error) {
    if (error instanceof TemperError && error.code.startsWith('FORMAT_')) return undefined;
    throw error;
  } finally {
    source.close();
  }
}

/** Whether all outputs are there, so that a job that skips what exists has nothing to do. */
export function allExist(outputs: readonly (string | undefined)[]): boolean {
  const named = outputs.filter((path) => path !== undefined);
  return named.length > 0 && named.every((path) => existsSync(path));
}

/**
 * Asserts that a file of moments is what this worker would write: of the same job, on the device that is asked for, with
 * the batches that are its own. What only a session tells is taken as the file gives it.
 * @throws TemperError OUTPUT_EXISTS with the difference
 */
export function assertMadeBefore(
  path: string,
  settings: RunSettings,
  batches: Iterable<number>,
  device: Device = 'auto',
): void {
  const source = openFile(path);
  try {
    const { run, batches: there } = readMomentsFile(source);
    const provider = device.startsWith('auto') ? run.provider : device.replace(/:\d+/, '');
    const { onnxruntime } = run;
    assertSameRun({ path: 'this command', run: { ...settings, provider, onnxruntime } }, { path, run });
    const mine = [...batches];
    if (mine.length === there.length && mine.every((batch, i) => batch === there[i])) return;
    throw new TemperError('MISMATCH_VALUE', `${path}: has the batches of another \`shard\``);
  } catch (error) {
    if (!(error instanceof TemperError) || !/^(FORMAT|MISMATCH)_/.test(error.code)) throw error;
    const { code, hint, details } = outputExists(path);
    throw new TemperError(code, `${path}: the output exists already, and is not of this job: ${error.message}`, {
      ...(hint === undefined ? {} : { hint }),
      details,
      cause: error,
    });
  } finally {
    source.close();
  }
}
