import type { CandidateOptions } from '../../src/search/index.ts';
import type { ArgumentsOf, CommandSpec } from '../shared/command.ts';
import { DATA, namedData, namedDataOf } from '../shared/data-options.ts';
import { byteCount, grouped } from '../shared/option-values.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';
import { TEMPLATE, templateOptions } from '../shared/template-options.ts';
import { TRANSFORM, transformsOf } from '../shared/transform-options.ts';
import { VIEWS, viewsOf } from '../shared/view-options.ts';
import { SELECTION, TENSORS } from './average-options.ts';

const { pattern, order, start, end, every, state, 'allow-duplicates': allowDuplicates } = SELECTION;
const { match, 'on-int-mismatch': onIntMismatch, 'allow-nonfinite': allowNonfinite } = TENSORS;
const { seed, classes, 'on-bad-image': onBadImage } = DATA;

/** What search and swag share: the snapshots, the images, and how they are run. */
export const CANDIDATES = {
  ...grouped('Candidates:', {
    memory: {
      type: 'string',
      describe: 'Memory for snapshots, images and candidates; what does not fit is read again (default: 2GiB)',
      coerce: byteCount('memory'),
    },
  } as const),
  ...namedData('train', 'for the BatchNormalization statistics of each candidate', 'bn'),
  ...{ seed, classes, 'on-bad-image': onBadImage },
  ...{ pattern, order, start, end, every, state, 'allow-duplicates': allowDuplicates },
  ...grouped('Which snapshots:', TEMPLATE),
  ...{ match, 'on-int-mismatch': onIntMismatch, 'allow-nonfinite': allowNonfinite },
  ...VIEWS,
  ...TRANSFORM,
  ...RUNTIME,
};

/** Snapshots, as both commands name them. */
export const SNAPSHOTS = {
  inputs: { type: 'string', array: true, demandOption: true, describe: 'Folders of snapshots, files, or globs' },
} as const;

type CandidateArguments = ArgumentsOf<CommandSpec<typeof SNAPSHOTS, typeof CANDIDATES>>;

/** The words as both jobs take them. */
export function candidateOptions(args: CandidateArguments): Omit<CandidateOptions, 'val'> {
  const [transform] = transformsOf(args, 1);
  return {
    ...runtimeOf(args),
    inputs: args.inputs,
    pattern: args.pattern,
    order: args.order,
    start: args.start,
    end: args.end,
    every: args.every,
    ...templateOptions(args),
    allowDuplicates: args['allow-duplicates'],
    match: args.match,
    onIntMismatch: args['on-int-mismatch'],
    allowNonfinite: args['allow-nonfinite'],
    train: namedDataOf('train', args),
    transform,
    views: viewsOf(args),
    onBadImage: args['on-bad-image'],
    seed: args.seed,
    memory: args.memory,
  };
}
