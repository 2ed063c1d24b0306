/** Examples as they can be copied: what each is for above it, the line whole, however narrow the terminal is. */
export function examplesText(path: string, examples: readonly (readonly [string, string])[]): string {
  if (examples.length === 0) return '';
  const lines = examples.map(
    ([line, what]) => `${what === '' ? '' : `  # ${what}\n`}  ${line.replaceAll('$0', path)}\n`,
  );
  return `\nExamples:\n${lines.join('\n')}`;
}

/** Terminals of fewer columns get this, of more the other: longer lines are hard to read. */
const LEAST_WIDTH = 40;
const MOST_WIDTH = 120;

/** Columns of help: the terminal's; 80 where there is none. */
export const helpWidth = (columns: number | undefined): number =>
  Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, columns ?? 80));
