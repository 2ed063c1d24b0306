import type { InspectOptions } from '../../src/inspect/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf } from '../shared/data-options.ts';
import { grouped } from '../shared/option-values.ts';
import { TALK } from '../shared/output-options.ts';
import { RUNTIME } from '../shared/runtime-options.ts';
import { STATE, TEMPLATE, templateOptions } from '../shared/template-options.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';

const { 'on-bad-image': _, ...IMAGES } = DATA;
const { input, output } = RUNTIME;

/** onnx-temper inspect: how files are read, before anything is done with them. */
export const INSPECT = describeCommand({
  usage: '<files..>',
  positionals: {
    files: { type: 'string', array: true, demandOption: true, describe: 'Files and folders of any kind' },
  },
  options: {
    input,
    output,
    ...grouped('Training checkpoints:', { ...TEMPLATE, ...STATE }),
    ...IMAGES,
    ...TRANSFORM,
    ...TALK,
  },
  examples: [
    ['$0 model.onnx', 'what it takes and gives, its weights, its BatchNormalization, each with its source'],
    ['$0 model.onnx --data val/', 'whether labels and pictures fit: exit code 1 if not'],
    [
      '$0 last.pth --template last.onnx',
      'how every tensor of the graph follows from the checkpoint, and what does not',
    ],
    ['$0 run/ weights.safetensors download.bin --json', 'anything, as one JSON document'],
  ],
  epilogue:
    'Nothing is run and nothing is written. Exit codes: 1 two sources contradict each other; 3, 4, 5 a file cannot be read, ' +
    'is damaged, or is not supported; the other files are shown.',
});

export type InspectArguments = ArgumentsOf<typeof INSPECT>;

/** The words as the job takes them. */
export function inspectOptions(args: InspectArguments): InspectOptions {
  return {
    files: args.files,
    data: args.data === undefined ? undefined : dataOf(args),
    transform: transformsOf(args, args.files.length),
    input: args.input,
    output: args.output,
    ...templateOptions(args),
  };
}
