/** Characters that no shell gives a meaning. */
const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

/** What no line can show: bash and zsh take its bytes from $'…'. */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const bytesOf = (character: string): string =>
  [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');

function quoted(word: string): string {
  if (word.search(UNSHOWN) >= 0) return `$'${word.replace(/['\\]/g, '\\$&').replace(UNSHOWN, bytesOf)}'`;
  return PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A command line as a user would type it, quoted for a shell. @param path the words that name the command */
export function commandLine(path: string, words: readonly string[]): string {
  return [path, ...words.map(quoted)].join(' ');
}
