import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { TALK } from '../shared/output-options.ts';

/** avg-ckpt verify: an average made again from its record. */
export const VERIFY_AVERAGE = describeCommand({
  usage: '<file>',
  positionals: { file: { type: 'string', demandOption: true, describe: 'A model that avg-ckpt wrote' } },
  options: {
    inputs: {
      type: 'string',
      array: true,
      nargs: 1,
      default: [] as string[],
      describe: 'A folder to look for the snapshots in, besides that of FILE; may be given several times',
    },
    ...TALK,
  },
  examples: [['$0 swa.onnx --inputs run/', 'whether swa.onnx is the average that it says, to the byte']],
});

export type VerifyAverageArguments = ArgumentsOf<typeof VERIFY_AVERAGE>;
