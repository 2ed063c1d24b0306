import { type JobControl, printable, printableLines, shown } from '../../src/core/index.ts';
import { flagText } from './flag-text.ts';
import { progress } from './progress.ts';

/** What a command prints to: results on stdout, everything else on stderr. */
export interface Terminal {
  /** The command line that was given, quoted for a shell. */
  readonly commandLine: string;
  /** For jobs: their notes and progress, and the signal of Ctrl-C. */
  readonly control: Required<JobControl>;
  readonly environment: NodeJS.ProcessEnv;
  /** Says something on stderr that is no error. */
  note(text: string): void;
  /** Remembers a file that was written, for the lines that end the text. */
  wrote(path: string, what: string): void;
  /**
   * Prints the result: one JSON document, or text and what was written. JSON keeps every name, its controls written as \uXXXX; the text is
   * made of a record whose strings can be shown.
   */
  print<T>(document: unknown, record: T, textOf: (record: T) => string): void;
}

export interface Talk {
  readonly json?: boolean | undefined;
  readonly quiet?: boolean | undefined;
}

export function openTerminal(
  { json = false, quiet = false }: Talk,
  commandLine: string,
  signal: AbortSignal,
): Terminal {
  const written: string[] = [];
  const note = (text: string): void => {
    if (!quiet) process.stderr.write(`note: ${printable(flagText(text))}\n`);
  };
  return {
    commandLine,
    control: { observer: { note, progress: (label, total) => progress(printable(label), total, quiet) }, signal },
    environment: process.env,
    note,
    wrote: (path, what) => {
      written.push(`wrote ${printable(path)} (${printable(what)})\n`);
    },
    print(document, record, textOf) {
      const text = json ? `${JSON.stringify(document, null, 2)}\n` : `${textOf(shown(record))}${written.join('')}`;
      process.stdout.write(printableLines(text));
    },
  };
}
