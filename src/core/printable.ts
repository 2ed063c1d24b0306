/** What a terminal obeys instead of showing it: controls (ESC, C1), formats (bidirectional overrides), line separators. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Longer messages are no help, and a name in a file may have 64 KiB. */
const MAX_CHARACTERS = 4000;

const escaped = (character: string): string =>
  [...Array(character.length).keys()]
    .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
    .join('');

/** Lines of text as they can be shown: terminal controls in names from files are written as \uXXXX. */
export function printableLines(text: string): string {
  return text.replace(OBEYED, (character) => (character === '\n' ? character : escaped(character)));
}

/** One line of text as it can be shown: line breaks are escaped too, and the middle of a long one is left out. */
export function printable(text: string): string {
  const half = MAX_CHARACTERS / 2;
  const bounded = text.length > MAX_CHARACTERS ? `${text.slice(0, half)} … ${text.slice(-half)}` : text;
  return bounded.replace(OBEYED, escaped);
}
