import type { Options } from 'yargs';
import { grouped } from './option-values.ts';

/** What every command that measures has. */
export const REPORT = grouped('Output:', {
  report: { type: 'string', describe: 'Report as one .html file that needs nothing else, or as .md' },
} as const satisfies Record<string, Options>);
