import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type AtomicFile, makeFolder, openAtomic, outputExists, writeFileAtomic } from '../../core/index.ts';
import type { Store } from '../store/index.ts';

/** Written last: what the export holds, and what it was made from. */
const EXPORT_FILE = 'export.json';

export interface ExportedFile {
  /** Relative to the export, with forward slashes. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** The files of an export; each appears whole or not at all. */
export interface ExportFiles {
  /** Writes a file; what `write` throws leaves nothing of it. */
  add(path: string, write: (file: AtomicFile) => void | Promise<void>): Promise<void>;
  /** Writes export.json: `what`, and the list of files. */
  finish(what: Readonly<Record<string, unknown>>): readonly ExportedFile[];
}

/** A file whose writes stop at a signal. */
function interruptible(file: AtomicFile, signal: AbortSignal | undefined): AtomicFile {
  return {
    get size() {
      return file.size;
    },
    write(bytes) {
      signal?.throwIfAborted();
      file.write(bytes);
    },
    sha256: () => file.sha256(),
    publish: (options) => file.publish(options),
    discard: () => file.discard(),
  };
}

/**
 * Starts an export in a folder, which is made if it is missing.
 * @throws TemperError OUTPUT_EXISTS for a folder with anything in it, unless `force`; OUTPUT_WRITE; what the signal aborts
 *   with, from the next write on
 */
export function startExport(folder: string, force: boolean, signal?: AbortSignal): ExportFiles {
  if (!force && existsSync(folder) && readdirSync(folder).length > 0) throw outputExists(folder);
  const files: ExportedFile[] = [];
  makeFolder(folder);
  return {
    async add(path, write) {
      const target = join(folder, ...path.split('/'));
      makeFolder(dirname(target));
      const file = openAtomic(target);
      try {
        await write(interruptible(file, signal));
        files.push({ path, sha256: file.sha256(), bytes: file.size });
        file.publish({ force });
      } finally {
        file.discard();
      }
    },
    finish(what) {
      const listed = Object.fromEntries(files.map(({ path, sha256, bytes }) => [path, { sha256, bytes }]));
      const text = `${JSON.stringify({ ...what, files: listed }, null, 2)}\n`;
      writeFileAtomic(join(folder, EXPORT_FILE), text, { force });
      return files;
    },
  };
}

/** What the manifest says of a store, without its lists of files: enough to use and to trace an export. */
export function storeSettings({
  folder,
  manifest,
}: Pick<Store, 'folder' | 'manifest'>): Readonly<Record<string, unknown>> {
  const { files: _, parts: __, ...settings } = manifest;
  return { store: basename(folder), ...settings };
}
