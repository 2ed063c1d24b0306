import { writeFileAtomic } from '../../src/core/index.ts';
import type { BadImage } from '../../src/data/index.ts';
import { csvText } from '../../src/report/index.ts';

/** Bad images that are named one by one in notes. */
const MAX_NAMED = 10;

/** Images that were left out, as records: where they stand in the table, and what is wrong with them. */
export function badImageRows(
  quarantine: readonly BadImage[],
): { row: number; key: string; code: string; message: string }[] {
  return quarantine.map(({ row, key, error }) => ({ row, key, code: error.code, message: error.message }));
}

/** The quarantine list as CSV; of no bad images a header. @throws TemperError OUTPUT_* */
export function writeBadImages(path: string, quarantine: readonly BadImage[], force: boolean): void {
  writeFileAtomic(path, csvText(['row', 'key', 'code', 'message'], badImageRows(quarantine)), { force });
}

/** Names the first of them, says how many there are, and where all are listed. */
export function sayBadImages(quarantine: readonly BadImage[], listed: string, say: (text: string) => void): void {
  if (quarantine.length === 0) return;
  for (const { key, error } of quarantine.slice(0, MAX_NAMED)) say(`left out ${key}: ${error.message}`);
  const images = quarantine.length === 1 ? '1 bad image is' : `${quarantine.length} bad images are`;
  say(`${images} left out of all numbers; ${listed}`);
}
