import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { TALK } from '../shared/output-options.ts';
import { GATE } from './options.ts';

/** teacher-logits merge: from the parts of workers to a whole store. */
export const MERGE = describeCommand({
  usage: '<store>',
  positionals: {
    store: { type: 'string', demandOption: true, describe: 'The folder that the workers wrote to' },
  },
  options: { ...GATE, ...TALK },
  examples: [['$0 targets/', 'when all workers are done']],
});

export type MergeArguments = ArgumentsOf<typeof MERGE>;
