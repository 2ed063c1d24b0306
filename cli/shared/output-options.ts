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
  'skip-existing': {
    type: 'boolean',
    default: false,
    describe:
      'Do nothing where the outputs are there, made from the same inputs with the same options; exit code 3 if from others',
  },
} as const satisfies Record<string, Options>);
