import type { SwagOptions } from '../../src/search/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { namedData, namedDataOf } from '../shared/data-options.ts';
import { grouped, oneNumber, wholeNumber } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { SELECTION } from './average-options.ts';
import { CANDIDATES, candidateOptions, SNAPSHOTS } from './candidate-options.ts';

const SWAG = grouped('SWAG:', {
  samples: { type: 'string', describe: 'Samples to draw (default: 20)', coerce: wholeNumber('samples', 1) },
  rank: {
    type: 'string',
    describe: 'Columns of the low-rank covariance, of the newest snapshots; 0 is SWAG-Diag (default: up to 20)',
    coerce: wholeNumber('rank', 0),
  },
  'covariance-scale': {
    type: 'string',
    describe: 'Scale of the covariance (default: 0.5, for SWAG-Diag 1; 0 is the mean)',
    coerce: oneNumber('covariance-scale'),
  },
} as const);

const OUTPUT = grouped('Output:', {
  'out-dir': { type: 'string', describe: 'Write the samples here, as swag_01.onnx, …; made if it is missing' },
} as const);

const { last, first } = SELECTION;

/** avg-ckpt swag: samples of the weights' posterior, and the mean of their predictions. */
export const SWAG_COMMAND = describeCommand({
  usage: '<inputs..>',
  positionals: SNAPSHOTS,
  options: {
    ...OUTPUT,
    ...SWAG,
    ...namedData('val', 'with labels, to evaluate the mean of the predictions on'),
    ...CANDIDATES,
    ...{ last, first },
    ...WRITE,
    ...TALK,
  },
  examples: [
    ['$0 run/ --val val/ --train train/', 'NLL and ECE of 20 samples together, beside SWA'],
    ['$0 run/ --samples 5 --out-dir samples', 'the samples as models'],
  ],
});

export type SwagArguments = ArgumentsOf<typeof SWAG_COMMAND>;

/** The words as the job takes them. */
export function swagOptions(args: SwagArguments): SwagOptions {
  const { samples, rank, force, last: newest, first: oldest } = args;
  return {
    ...candidateOptions(args),
    val: namedDataOf('val', args),
    last: newest,
    first: oldest,
    samples,
    rank,
    covarianceScale: args['covariance-scale'],
    outDir: args['out-dir'],
    force,
  };
}
