import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TemperError } from '../../core/index.ts';
import type { Sample } from '../../data/index.ts';
import { arrayPaths, MANIFEST_FILE, partRange, RUN_FILE, SAMPLES_FILE, sidecarPath } from './layout.ts';
import type { Manifest, StoreRun } from './manifest.ts';
import { openPart, type Part } from './open-part.ts';
import { malformed, readManifest } from './read-json.ts';
import { readSamples } from './samples.ts';

/** A whole store. Parts are opened on demand. */
export interface Store {
  readonly folder: string;
  readonly manifest: Manifest;
  /** The samples in table order, read from samples.csv. @throws TemperError INPUT_*, FORMAT_TABLE */
  samples(): AsyncGenerator<Sample, void, undefined>;
  /** The caller closes it. @throws TemperError as openPart */
  part(index: number): Part;
}

/** Every file that a store of this run has, but the manifest. */
function storeFiles(run: StoreRun): string[] {
  const parts = Array.from({ length: run.n_parts }, (_, part) => [
    sidecarPath(part, run.n_parts),
    ...arrayPaths(run, part),
  ]);
  return [RUN_FILE, SAMPLES_FILE, ...parts.flat()].sort();
}

/** The manifest's lists must be those that follow from its numbers: no path of it leads elsewhere. */
function assertLists(path: string, manifest: Manifest): void {
  const listed = Object.keys(manifest.files);
  // Before a list of a million parts is made for a manifest of a few lines.
  if (listed.length < manifest.n_parts) throw malformed(path, `${listed.length} files of ${manifest.n_parts} parts`);
  const expected = new Set(storeFiles(manifest));
  const unknown = listed.find((file) => !expected.has(file));
  if (unknown !== undefined) throw malformed(path, `files: ${unknown} is no file of the store`);
  if (listed.length < expected.size) {
    throw malformed(path, `files: ${[...expected].find((file) => !Object.hasOwn(manifest.files, file))} is missing`);
  }
  manifest.parts.forEach(({ part, first_row, n_rows }, i) => {
    const fits = i < manifest.n_parts && part === i;
    const { first, end } = fits ? partRange(manifest, i) : { first: -1, end: -1 };
    if (first !== first_row || end - first !== n_rows) throw malformed(path, `parts: part ${part} in place ${i}`);
  });
  if (manifest.parts.length !== manifest.n_parts) {
    throw malformed(path, `parts: ${manifest.parts.length} are listed, expected ${manifest.n_parts}`);
  }
  const { scores, teachers } = manifest;
  if (scores !== null && scores.length !== teachers.length) {
    throw malformed(path, `scores of ${scores.length} teachers, expected ${teachers.length}`);
  }
}

/**
 * Opens a whole store: reads and checks its manifest. A part's files are checked when it is opened; hashes only by verify.
 * @throws TemperError INPUT_NOT_FOUND (no store, or one without a manifest), INPUT_UNREADABLE, FORMAT_MALFORMED,
 * FORMAT_LIMIT, UNSUPPORTED_FORMAT
 */
export function openStore(folder: string): Store {
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path) && existsSync(join(folder, RUN_FILE))) {
    throw new TemperError('INPUT_NOT_FOUND', `${folder}: the store is not complete: it has no ${MANIFEST_FILE}`, {
      hint: 'Run teacher-logits again with the same options: it goes on where it stopped. After workers, teacher-logits merge.',
      details: { path: folder },
    });
  }
  const manifest = readManifest(folder, MANIFEST_FILE);
  assertLists(path, manifest);
  return {
    folder,
    manifest,
    samples: () => readSamples(join(folder, SAMPLES_FILE)),
    part: (index) => openPart(folder, manifest, index),
  };
}
