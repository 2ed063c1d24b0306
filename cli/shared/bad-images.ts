import { writeFileAtomic } from '../../src/core/index.ts';
import type { BadImage } from '../../src/data/index.ts';
import { csvText } from '../../src/report/index.ts';

/** Bad images that are named one by one in notes. */
const MAX_NAMED = 10;

/** An image that was left out, as a record: where it stands in the table, and what is wrong with it. */
export const badImageDocument = ({ row, key, error }: BadImage) => ({
  row,
  key,
  code: error.code,
  message: error.message,
});

/** The quarantine list as CSV; of no bad images a header. @throws TemperError OUTPUT_* */
export function writeBadImages(path: string, quarantine: readonly BadImage[], force: boolean): void {
  writeFileAtomic(path, csvText(['row', 'key', 'code', 'message'], quarantine.map(badImageDocument)), { force });
}

/**
 * Names the first of the images that were left out, and says how many there are.
 * @param listed where all of them can be found
 */
export function sayBadImages(
  quarantine: readonly BadImage[],
  say: (text: string) => void,
  listed = '--json lists them (bad_images)',
): void {
  if (quarantine.length === 0) return;
  for (const { key, error } of quarantine.slice(0, MAX_NAMED)) say(`left out ${key}: ${error.message}`);
  const images = quarantine.length === 1 ? '1 bad image is' : `${quarantine.length} bad images are`;
  say(`${images} left out of all numbers; ${listed}`);
}
