import type { InferredOptionTypes, Options } from 'yargs';
import type { Terminal } from './terminal.ts';

type OptionTable = Readonly<Record<string, Options>>;

/** A command as data: what help, completion and the parser need. Its options.ts describes it. */
export interface CommandSpec<P extends OptionTable = OptionTable, O extends OptionTable = OptionTable> {
  /** The positionals as help shows them: `<models..>`. */
  readonly usage: string;
  readonly positionals: P;
  readonly options: O;
  /** Lines that can be copied and run, `$0` standing for the command; each with what it is for. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly epilogue?: string;
}

/** What yargs makes of the words of a command line, by option. */
export type ArgumentsOf<S extends CommandSpec> = InferredOptionTypes<S['positionals']> &
  InferredOptionTypes<S['options']>;

/** Describes a command, keeping the types of its options. */
export function describeCommand<const P extends OptionTable, const O extends OptionTable>(
  spec: CommandSpec<P, O>,
): CommandSpec<P, O> {
  return spec;
}

/** Runs a command; the exit code is 0, or 1 for a negative verdict. */
type Run<S extends CommandSpec> = (args: ArgumentsOf<S>, terminal: Terminal) => Promise<number>;

/** A command by name: what it says of itself, and what it runs, are loaded when they are used. */
export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly spec: () => Promise<CommandSpec>;
  readonly run: () => Promise<(args: never, terminal: Terminal) => Promise<number>>;
  readonly subcommands: readonly Command[];
}

/** Pairs what a command says of itself with what it runs; the two must agree about the arguments. */
export function command<S extends CommandSpec>(
  name: string,
  describe: string,
  spec: () => Promise<S>,
  run: () => Promise<Run<S>>,
  subcommands: readonly Command[] = [],
): Command {
  return { name, describe, spec, run, subcommands };
}
