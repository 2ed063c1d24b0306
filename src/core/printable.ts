/** What a terminal obeys instead of showing it: controls (ESC, C1), formats (bidirectional overrides), line separators. */
const OBEYED = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** Longer messages are no help, and a name in a file may have 64 KiB. */
const MAX_CHARACTERS = 4000;

/** What may hold a name: the rest of a record (numbers, arrays of them, functions) is as it is. */
const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value));

/**
 * A record as its text may show it: every string in it on one line, whoever named what it names. A text is made of a record that went
 * through this, so that each of its line breaks is its own, and no name can end a line and forge the next.
 */
export function shown<T>(record: T): T {
  const seen = new Map<unknown, unknown>();
  const copy = (value: unknown): unknown => {
    if (typeof value === 'string') return printable(value);
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    if (Array.isArray(value)) {
      const list: unknown[] = [];
      seen.set(value, list);
      for (const one of value) list.push(copy(one));
      return list;
    }
    if (value instanceof Map) return new Map([...value].map(([key, one]) => [copy(key), copy(one)]));
    if (value instanceof Set) return new Set([...value].map(copy));
    if (!isPlain(value)) return value;
    const made: Record<string, unknown> = {};
    seen.set(value, made);
    for (const [key, one] of Object.entries(value))
      Object.defineProperty(made, printable(key), { value: copy(one), enumerable: true });
    return made;
  };
  return copy(record) as T;
}

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
