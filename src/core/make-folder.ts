import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { systemCode, writeError } from './errors.ts';

/**
 * Makes a folder and those above it, where they are not there. Each level once: Node's own `recursive` tries for ever where a folder may not
 * be made in one that exists, and says ENOENT (/proc).
 * @throws TemperError OUTPUT_WRITE
 */
export function makeFolder(path: string): void {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at);
  try {
    for (const folder of missing) makeOne(folder);
    // A file of that name.
    if (!statSync(path).isDirectory()) mkdirSync(path);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** Another process may have made it meanwhile. */
function makeOne(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    const isThere = systemCode(error) === 'EEXIST' && statSync(folder, { throwIfNoEntry: false })?.isDirectory();
    if (!isThere) throw error;
  }
}
