import { appendFileSync, existsSync, mkdirSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { readError, readSmallFile, TemperError, writeError } from '../core/index.ts';
import type { Metrics } from '../evaluate/index.ts';

/** What is kept of an evaluation: enough to choose by; predictions of the few that are reported are made again. */
export type CachedMetrics = Pick<Metrics, 'n' | 'top1' | 'top5' | 'nll' | 'brier' | 'ece' | 'eceCalibrated'>;

/** Evaluations by the hash of model, data and transform. */
export interface ResultsCache {
  get(key: string): CachedMetrics | undefined;
  put(key: string, metrics: CachedMetrics): void;
}

const FIELDS = ['n', 'top1', 'top5', 'nll', 'brier', 'ece', 'eceCalibrated'] as const satisfies (keyof CachedMetrics)[];

function parseLine(line: string): [key: string, metrics: CachedMetrics] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as Record<string, unknown>;
  if (typeof record.key !== 'string' || !FIELDS.every((field) => Number.isFinite(record[field]))) return undefined;
  return [record.key, Object.fromEntries(FIELDS.map((field) => [field, record[field]])) as unknown as CachedMetrics];
}

/** Whether a line is one of a cache. */
export const isSearchResult = (line: string): boolean => parseLine(line) !== undefined;

/** The results of a file, and how much of it is whole lines: a line may be in writing, or was cut short by a kill. */
function readResults(path: string): {
  readonly known: Map<string, CachedMetrics>;
  readonly whole: number;
  readonly isCut: boolean;
} {
  const known = new Map<string, CachedMetrics>();
  let text = '';
  try {
    if (existsSync(path)) text = readSmallFile(path).toString('utf8');
  } catch (error) {
    throw readError(path, error);
  }
  const end = text.lastIndexOf('\n') + 1;
  for (const [i, line] of text.slice(0, end).split('\n').entries()) {
    if (line === '') continue;
    const parsed = parseLine(line);
    if (!parsed) {
      throw new TemperError('FORMAT_TABLE', `${path}: line ${i + 1} is no result of a search`, {
        hint: 'Name another `cache`; this one is left as it is.',
        details: { path, line: i + 1 },
      });
    }
    known.set(...parsed);
  }
  return { known, whole: Buffer.byteLength(text.slice(0, end)), isCut: end < text.length };
}

function written(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    throw writeError(path, error);
  }
}

/**
 * Opens a cache, a file of JSON lines that is only ever appended to: an interrupted search loses at most the line that it was
 * writing, which is ignored and evaluated again.
 * @throws TemperError FORMAT_TABLE if any other line is no result: the file is something else; INPUT_UNREADABLE, OUTPUT_WRITE
 */
export function openResultsCache(path: string): ResultsCache {
  const { known, whole, isCut } = readResults(path);
  // The line that a kill cut short, so that the next one begins on its own.
  if (isCut) written(path, () => truncateSync(path, whole));
  return {
    get: (key) => known.get(key),
    put(key, metrics) {
      known.set(key, metrics);
      const record = { key, ...Object.fromEntries(FIELDS.map((field) => [field, metrics[field]])) };
      written(path, () => appendFileSync(path, `${JSON.stringify(record)}\n`));
    },
  };
}

/** Whether a cache is the folder that workers share. */
export const isCacheFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/**
 * Opens the folder that workers share, which is made if it is not there: the results of all its `.jsonl` files are known, new ones go
 * to the file `own`, which nobody else writes.
 * @throws TemperError as openResultsCache; MISMATCH_VALUE for a result that two files give differently
 */
export function openCacheFolder(folder: string, own: string): ResultsCache {
  written(folder, () => mkdirSync(folder, { recursive: true }));
  const known = new Map<string, { readonly path: string; readonly metrics: CachedMetrics }>();
  const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));
  for (const path of files.sort().map((name) => join(folder, name))) {
    for (const [key, metrics] of readResults(path).known) {
      const other = known.get(key);
      const field = other && FIELDS.find((name) => other.metrics[name] !== metrics[name]);
      if (field) {
        const [a, b] = [other.metrics[field], metrics[field]];
        throw new TemperError(
          'MISMATCH_VALUE',
          `${field} of one candidate is ${a} in ${other.path} and ${b} in ${path}`,
          {
            hint: 'Use one type of processor for all workers; remove the file that is wrong, or give another folder as `cache`.',
            details: { key, field, paths: [other.path, path] },
          },
        );
      }
      if (!other) known.set(key, { path, metrics });
    }
  }
  const mine = openResultsCache(join(folder, own));
  return { get: (key) => mine.get(key) ?? known.get(key)?.metrics, put: (key, metrics) => mine.put(key, metrics) };
}
