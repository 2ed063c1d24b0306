import { ONNX_TEMPER } from '../../cli/commands.ts';
import type { Command, CommandSpec } from '../../cli/shared/command.ts';

export interface NamedCommand {
  /** As it is called: bn-recal merge. */
  readonly path: string;
  readonly command: Command;
  readonly spec: CommandSpec;
}

async function withSubcommands(command: Command, path: string): Promise<NamedCommand[]> {
  const below = await Promise.all(command.subcommands.map((sub) => withSubcommands(sub, `${path} ${sub.name}`)));
  return [{ path, command, spec: await command.spec() }, ...below.flat()];
}

/** Every command and subcommand. */
export async function allCommands(): Promise<readonly NamedCommand[]> {
  const found = await Promise.all(ONNX_TEMPER.subcommands.map((command) => withSubcommands(command, command.name)));
  return found.flat();
}
