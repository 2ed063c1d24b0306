import { TemperError } from './errors.ts';

/** The most of what a job counts: far beyond any use, and below what takes a machine down. */
export const MOST = { views: 1 << 16, batch: 1 << 20, workers: 1 << 10, threads: 1 << 10 } as const;

/**
 * Checks a count before anything is allocated by it; undefined is left to its default.
 * @param option what messages call it
 * @throws TemperError USAGE
 */
export function assertCount(option: string, count: number | undefined, most = Number.MAX_SAFE_INTEGER): void {
  if (count === undefined || (Number.isSafeInteger(count) && count >= 1 && count <= most)) return;
  const to = most === Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`;
  throw new TemperError('USAGE', `\`${option}\` ${count}: expected a whole number from 1${to}`, {
    details: { option, value: count },
  });
}
