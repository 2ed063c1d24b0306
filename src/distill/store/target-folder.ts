import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { samePath, TemperError } from '../../core/index.ts';
import { MANIFEST_FILE, RUN_FILE, SAMPLES_FILE } from './layout.ts';

/** In the order in which a store is taken apart: without its manifest it is no store any more. */
const OWN = [MANIFEST_FILE, 'parts', 'views', 'teachers', SAMPLES_FILE, RUN_FILE];

/**
 * Refuses folders that targets must not be written to, before any work: those of something else, whole stores, inputs.
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT
 */
export function checkTargetFolder(folder: string, inputs: readonly string[], force: boolean): void {
  if (inputs.some((input) => samePath(input, folder))) {
    throw new TemperError('OUTPUT_IS_INPUT', `${folder}: is one of the inputs`, { hint: 'Choose another `out`.' });
  }
  if (!existsSync(folder)) return;
  if (!statSync(folder).isDirectory()) {
    throw new TemperError('OUTPUT_EXISTS', `${folder}: is a file, expected a folder for the store`, {
      hint: 'Choose another `out`.',
      details: { path: folder },
    });
  }
  const names = readdirSync(folder);
  const foreign = names.find((name) => !OWN.includes(name) && !name.endsWith('.tmp'));
  if (foreign !== undefined && !names.includes(RUN_FILE)) {
    throw new TemperError('OUTPUT_EXISTS', `${folder}: is no target store, and not empty (${foreign})`, {
      hint: 'Choose another `out`.',
      details: { path: folder },
    });
  }
  if (names.includes(MANIFEST_FILE) && !force) {
    throw new TemperError('OUTPUT_EXISTS', `${folder}: the store exists already, and is complete`, {
      hint: 'Name another `out`, or start over with `force`.',
      details: { path: folder },
    });
  }
}

/** Removes a store that is there; other files in its folder stay. */
export function removeStore(folder: string): void {
  for (const name of OWN) rmSync(join(folder, name), { recursive: true, force: true });
}
