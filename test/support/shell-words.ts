/** A word, or what ends a command; quotes, escapes and `$name` are parts of a word. */
const TOKEN = /\s+|#.*$|[|&;<>]|((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\|&;<>])+)/gy;

/**
 * The words of the first command of a shell's line, as the shell would give them, but for names and globs, which stay.
 * @throws Error for a quote that is not closed
 */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  let end = 0;
  for (const { 0: token, 1: word, index } of line.matchAll(TOKEN)) {
    end = index + token.length;
    if (/^[|&;<>]/.test(token)) return words;
    if (word === undefined) continue;
    words.push(
      word.replace(/'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/g, (_, single, double, escaped) =>
        String(single ?? double?.replace(/\\(.)/g, '$1') ?? escaped),
      ),
    );
  }
  if (end !== line.length) throw new Error(`${line}: a quote is not closed`);
  return words;
}
