import type { BadImage } from '../../src/data/index.ts';

/** Bad images that are named one by one; --json lists all. */
const MAX_NAMED_BAD_IMAGES = 10;

/** Says which images were left out. */
export function sayBadImages(quarantine: readonly BadImage[], say: (text: string) => void): void {
  for (const { key, error } of quarantine.slice(0, MAX_NAMED_BAD_IMAGES)) say(`left out ${key}: ${error.message}`);
  if (quarantine.length === 0) return;
  say(`${quarantine.length} bad images are left out of all numbers; --json lists them (bad_images)`);
}

export const badImageDocument = ({ row, key, error }: BadImage) => ({
  row,
  key,
  code: error.code,
  message: error.message,
});
