import type { Options } from 'yargs';
import { grouped } from './option-values.ts';

/** What every command has. */
export const TALK = grouped('Output:', {
  json: { type: 'boolean', default: false, describe: 'One JSON document on stdout' },
  quiet: { type: 'boolean', default: false, describe: 'No progress and no notes' },
} as const satisfies Record<string, Options>);

/** What every command that writes files has. */
export const WRITE = grouped('Output:', {
  force: { type: 'boolean', default: false, describe: 'Replace outputs that exist' },
} as const satisfies Record<string, Options>);
