import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Control, canonicalHash, gaps, openFile, readError, TemperError } from '../../core/index.ts';
import { type ChosenData, transformHash } from '../../data/index.ts';
import { pictureNotes } from '../../evaluate/index.ts';
import { readPart, type WrittenPart } from './part-file.ts';
import type { PartRun } from './part-run.ts';
import type { Cell } from './plan.ts';
import type { CellOutcome, MeasuredCells } from './run.ts';

export const PART_ENDING = '.safetensors';

/** Keys of the images in their order, without some. */
const keysOf =
  ({ dataset, rows }: ChosenData) =>
  (bad: ReadonlySet<string>): string[] =>
    Array.from(rows, (row) => dataset.sample(row).key).filter((key) => !bad.has(key));

/** Reads a part of a job. @throws TemperError INPUT_*, FORMAT_*, MISMATCH_VALUE */
export function openPart(path: string, job: PartRun, chosen: ChosenData): WrittenPart {
  const source = openFile(path);
  try {
    return readPart(source, job, keysOf(chosen));
  } finally {
    source.close();
  }
}

function partFiles(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(PART_ENDING));
  } catch (error) {
    throw readError(folder, error);
  }
  if (names.length > 0) return names.sort().map((name) => join(folder, name));
  throw new TemperError('INPUT_TOO_FEW', `${folder}: no parts of a sweep`, {
    hint: 'Run the workers first (`shard`), all with this folder as `parts`.',
    details: { path: folder },
  });
}

const imagesOf = ({ sources, quarantine }: WrittenPart) => ({ sources, quarantine });

/** All workers saw the same images. @throws TemperError MISMATCH_VALUE */
function assertSameImages(parts: readonly WrittenPart[]): WrittenPart | undefined {
  const [first, ...others] = parts.filter(({ outcomes }) => outcomes.some(({ ran }) => ran));
  for (const other of others) {
    const field = (['quarantine', 'sources'] as const).find(
      (name) => canonicalHash(imagesOf(other)[name]) !== canonicalHash(imagesOf(first as WrittenPart)[name]),
    );
    if (!field) continue;
    throw new TemperError('MISMATCH_VALUE', `${other.path}: ${field} differ from those of ${first?.path}`, {
      hint: 'Give all workers the same images; a file that could not be read for a while is read again by its worker.',
      details: { path: other.path, reference: first?.path, field },
    });
  }
  return first;
}

/**
 * Puts the rows of all workers together: every row exactly once, all of this sweep. Memory: as `sweep`.
 * @throws TemperError INPUT_TOO_FEW (rows that no file has), MISMATCH_VALUE (which file, which field; or a row that two files have),
 * FORMAT_*
 */
export function mergeParts(
  folder: string,
  run: PartRun,
  cells: readonly Cell[],
  chosen: ChosenData,
  note: Control['note'],
): MeasuredCells {
  const parts = partFiles(folder).map((path) => openPart(path, run, chosen));
  const found = new Map<number, { readonly path: string; readonly outcome: CellOutcome }>();
  for (const part of parts) {
    for (const [i, cell] of part.cells.entries()) {
      const other = found.get(cell);
      if (other) {
        throw new TemperError('MISMATCH_VALUE', `row ${cell} is in ${other.path} and in ${part.path}`, {
          hint: 'Keep one file of each worker, all of one number of workers.',
          details: { cell, paths: [other.path, part.path] },
        });
      }
      found.set(cell, { path: part.path, outcome: part.outcomes[i] as CellOutcome });
    }
  }
  if (found.size < cells.length) {
    const missing = gaps(
      [...found.keys()].sort((a, b) => a - b),
      cells.length,
    );
    const count = cells.length - found.size;
    throw new TemperError('INPUT_TOO_FEW', `${count} of ${cells.length} rows are in no file of ${folder}: ${missing}`, {
      hint: 'Run the workers that are missing.',
      details: { missing, count, rows: cells.length },
    });
  }
  const processors = [...new Set(parts.map((part) => part.run.processor))].sort();
  if (processors.length > 1)
    note(`the workers ran on ${processors.join(' and ')}: rows may differ from those of one worker by roundings`);
  const outcomes = cells.map((_, i) => (found.get(i) as { outcome: CellOutcome }).outcome);
  const { sources = [], quarantine = [] } = assertSameImages(parts) ?? {};
  const shown = cells.filter((_, i) => outcomes[i]?.ran).map(({ transform }) => transform);
  const distinct = new Map(shown.map((transform) => [transformHash(transform), transform]));
  const odd = pictureNotes(sources, [...distinct.values()], 'all');
  for (const text of odd) note(text);
  return { outcomes, sources, quarantine, pictureNotes: odd };
}
