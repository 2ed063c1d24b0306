import type { AverageOptions } from '../../src/average/index.ts';
import { FLOAT_TYPES, TemperError } from '../../src/core/index.ts';
import { CARRY, carryOf } from '../shared/carry-options.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { grouped } from '../shared/option-values.ts';
import { TALK, WRITE } from '../shared/output-options.ts';
import { TEMPLATE, templateOptions } from '../shared/template-options.ts';
import { METHOD, methodOf, SELECTION, selectionOf, TENSORS, tensorsOf } from './average-options.ts';

const OUTPUT = grouped('Output:', {
  out: { type: 'string', describe: 'The averaged model' },
  'out-dir': { type: 'string', describe: 'A folder for several averages, named by method; made if it is missing' },
  ...TEMPLATE,
  'dry-run': { type: 'boolean', default: false, describe: 'Print the plan and check the graphs only' },
  dtype: {
    choices: FLOAT_TYPES,
    describe: 'Storage type of the weights; a Cast leads back to the graph’s type (default: unchanged)',
  },
  config: {
    type: 'string',
    describe: 'Configuration for --write-config and --embed-preprocessing (default: beside the newest snapshot)',
  },
} as const);

/** avg-ckpt: averages of snapshots. */
export const AVG_CKPT = describeCommand({
  usage: '[inputs..]',
  positionals: {
    inputs: { type: 'string', array: true, default: [] as string[], describe: 'A folder, files, or a glob' },
  },
  options: { ...OUTPUT, ...CARRY, ...WRITE, ...TALK, ...SELECTION, ...METHOD, ...TENSORS },
  examples: [
    [
      '$0 run/*.pth.tar --template last.onnx --out swa.onnx',
      'the mean of training checkpoints, in the graph of one export',
    ],
    ['$0 run/ --out swa.onnx', 'the mean of all snapshots (SWA)'],
    ['$0 run/ --decay 0.8,0.9 --last 10 --out-dir averages', 'two EMAs of the last ten, in one pass'],
  ],
  epilogue:
    'The output is the newest snapshot with averaged weights; its metadata_props say what it was made from. ' +
    'Exit codes: 2 usage, 3 input, 4 format, 5 unsupported, 6 snapshots differ, 7 execution, 8 NaN or Inf.',
});

export type AvgCkptArguments = ArgumentsOf<typeof AVG_CKPT>;

/** The words as the jobs take them. @throws TemperError USAGE */
export function averageOptions(args: AvgCkptArguments): AverageOptions {
  const { inputs, out, dtype, force, 'out-dir': outDir } = args;
  if (inputs.length > 0 && !out && !outDir && !args['dry-run']) {
    throw new TemperError('USAGE', 'no output is named', {
      hint: 'Give --out FILE, or --out-dir DIR for several, or --dry-run.',
    });
  }
  return {
    inputs,
    ...selectionOf(args),
    ...methodOf(args),
    ...tensorsOf(args),
    dtype,
    ...templateOptions(args),
    allowNonfinite: args['allow-nonfinite'],
    out,
    outDir,
    force,
    config: args.config,
    ...carryOf(args),
  };
}
