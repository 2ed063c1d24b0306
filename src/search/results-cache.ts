import { appendFileSync, existsSync, truncateSync } from 'node:fs';
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

/**
 * Opens a cache, a file of JSON lines that is only ever appended to: an interrupted search loses at most the line that it was
 * writing, which is ignored and evaluated again.
 * @throws TemperError FORMAT_TABLE if any other line is no result: the file is something else; INPUT_UNREADABLE, OUTPUT_WRITE
 */
export function openResultsCache(path: string): ResultsCache {
  const known = new Map<string, CachedMetrics>();
  let text = '';
  try {
    if (existsSync(path)) text = readSmallFile(path).toString('utf8');
  } catch (error) {
    throw readError(path, error);
  }
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const parsed = parseLine(line);
    if (parsed && i < lines.length - 1) known.set(...parsed);
    else if (i < lines.length - 1) {
      throw new TemperError('FORMAT_TABLE', `${path}: line ${i + 1} is no result of a search`, {
        hint: 'Name another `cache` file; this one is left as it is.',
        details: { path, line: i + 1 },
      });
    }
  }
  const whole = text.lastIndexOf('\n') + 1;
  const written = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      throw writeError(path, error);
    }
  };
  // The line that a kill cut short, so that the next one begins on its own.
  if (whole < text.length) written(() => truncateSync(path, Buffer.byteLength(text.slice(0, whole))));
  return {
    get: (key) => known.get(key),
    put(key, metrics) {
      known.set(key, metrics);
      const record = { key, ...Object.fromEntries(FIELDS.map((field) => [field, metrics[field]])) };
      written(() => appendFileSync(path, `${JSON.stringify(record)}\n`));
    },
  };
}
