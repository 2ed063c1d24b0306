import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { grouped } from '../shared/option-values.ts';
import { TALK } from '../shared/output-options.ts';
import { GATE } from './options.ts';

/** teacher-logits merge: from the parts of workers to a whole store. */
export const MERGE = describeCommand({
  usage: '<store>',
  positionals: {
    store: { type: 'string', demandOption: true, describe: 'The folder that the workers wrote to' },
  },
  options: {
    ...GATE,
    ...grouped('Output:', {
      'skip-existing': {
        type: 'boolean',
        default: false,
        describe: 'For jobs that run again: a store that is complete and is not what its parts say is exit code 3',
      },
    } as const),
    ...TALK,
  },
  examples: [['$0 targets/', 'when all workers are done']],
});

export type MergeArguments = ArgumentsOf<typeof MERGE>;
