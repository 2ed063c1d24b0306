/** Characters that no shell gives a meaning. */
const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

function quoted(word: string): string {
  return PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A command line as a user would type it, quoted for a shell. @param path the words that name the command */
export function commandLine(path: string, words: readonly string[]): string {
  return [path, ...words.map(quoted)].join(' ');
}
