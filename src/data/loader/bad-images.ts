import type { BadImage } from './load-batches.ts';

/** Bad images that are named one by one in notes. */
const MAX_NAMED = 10;

/** An image that was left out: where it stands in the table, and what is wrong with it. */
export interface BadImageRecord {
  readonly row: number;
  readonly key: string;
  readonly code: string;
  readonly message: string;
}

export const badImageRecord = ({ row, key, error }: BadImage): BadImageRecord => ({
  row,
  key,
  code: error.code,
  message: error.message,
});

/** Names the first of the images that were left out, and says how many there are. */
export function noteBadImages(quarantine: readonly BadImageRecord[], note: (text: string) => void): void {
  if (quarantine.length === 0) return;
  for (const { key, message } of quarantine.slice(0, MAX_NAMED)) note(`left out ${key}: ${message}`);
  note(`${quarantine.length === 1 ? '1 bad image is' : `${quarantine.length} bad images are`} left out of all numbers`);
}
