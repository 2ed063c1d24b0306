import { TemperError } from '../../src/core/index.ts';
import { type Command, command, describeCommand } from './command.ts';

const SPEC = describeCommand({
  usage: '',
  positionals: {},
  options: {},
  examples: [],
  epilogue: 'Each command has a --help of its own, and the first six are programs by their own names too.',
});

/** The program that has all commands as subcommands. */
export const rootCommand = (name: string, describe: string, subcommands: readonly Command[]): Command =>
  command(
    name,
    describe,
    async () => SPEC,
    async () => async () => {
      throw new TemperError('USAGE', 'no command is named', {
        hint: `Name one of ${subcommands.map((one) => one.name).join(', ')}. See ${name} --help.`,
      });
    },
    subcommands,
  );
