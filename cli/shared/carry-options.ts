import type { Options } from 'yargs';
import type { CarryOptions } from '../../src/signature/index.ts';
import { grouped } from './option-values.ts';

/** How a model that is written says what its images go through, beside the entry in its metadata. */
export const CARRY = grouped('Output:', {
  'write-config': {
    type: 'boolean',
    default: false,
    describe: 'Write config.json and preprocessor_config.json beside it, as timm and transformers read them',
  },
  'embed-preprocessing': {
    type: 'boolean',
    default: false,
    describe: 'Put scale, mean and std into the graph: it then takes 8-bit pixels, NHWC',
  },
} as const satisfies Record<string, Options>);

/** The words as the jobs take them. */
export function carryOf(args: {
  readonly 'write-config': boolean;
  readonly 'embed-preprocessing': boolean;
}): CarryOptions {
  return { writeConfig: args['write-config'], embedPreprocessing: args['embed-preprocessing'] };
}
