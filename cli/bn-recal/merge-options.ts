import type { MergeMomentsOptions } from '../../src/batchnorm/index.ts';
import { TemperError } from '../../src/core/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA } from '../shared/data-options.ts';
import { RESULT, resultOptions } from './options.ts';

const { classes, seed, 'on-bad-image': onBadImage } = DATA;

/** bn-recal merge: what is still to be chosen when moments are put together: the estimator, the guard and its images. */
export const BN_RECAL_MERGE = describeCommand({
  usage: '<moments..>',
  positionals: {
    moments: { type: 'string', array: true, demandOption: true, describe: 'Files of --moments-out, of all workers' },
  },
  options: {
    model: { type: 'string', demandOption: true, requiresArg: true, describe: 'The model that the workers were given' },
    ...{ classes, seed, 'on-bad-image': onBadImage },
    ...RESULT,
  },
  examples: [
    ['$0 parts/*.safetensors --model swa.onnx --out swa-bn.onnx', 'the bytes that one worker would have written'],
  ],
});

export type BnRecalMergeArguments = ArgumentsOf<typeof BN_RECAL_MERGE>;

/** The words as the job takes them. @throws TemperError USAGE */
export function mergeMomentsOptions(args: BnRecalMergeArguments): MergeMomentsOptions {
  const { moments, model, out } = args;
  if (out === undefined) throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE.' });
  return { ...resultOptions(args), moments, model, out };
}
