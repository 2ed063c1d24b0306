import { mutateBytes } from '../mutate-bytes.ts';
import type { Int, Mutated } from './target.ts';

/** Breaks bytes of one of some files; a break of a long file is near its start or its end half of the time. */
export function breakOneOf(files: Readonly<Record<string, Uint8Array>>, names: readonly string[]) {
  return (int: Int): Mutated => {
    const file = names[int(names.length)] as string;
    const whole = Buffer.from(files[file] as Uint8Array);
    const { bytes, what } = mutateBytes(whole, int, placesOf(whole.length, int));
    return { file, bytes, what };
  };
}

const NEAR = 1200;
function placesOf(length: number, int: Int): number[] {
  const near = int(3);
  const span = near === 2 ? length : Math.min(length, NEAR);
  const start = near === 1 ? length - span : 0;
  return Array.from({ length: 32 }, () => start + int(Math.max(1, span)));
}

const ODD_VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 3, 224, 1e9, 1e308, 2 ** 53, -0.5, 0.875, '', 'x', '224', '=1+1', '__proto__'],
  ...['\u001b[31m\nx', 'n'.repeat(70_000), [], {}, [[]], [0.5, 0.5, 0.5], [0, 0, 0], [1, 2], { height: 0, width: -1 }],
  ...[{ shortest_edge: 1e12 }, { height: 224, width: 224 }, ['a', 'a'], { '0': 'a', '7': 'b' }, 'bicubic', 'squash'],
  JSON.parse('{"__proto__":1,"constructor":1,"toString":2}'),
];

interface Slot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function slots(value: unknown): Slot[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...slots(holder[key])]);
}

/** Sets a key whatever it is called: `__proto__` is a name as any. */
function put(holder: Record<string, unknown>, key: string, value: unknown): void {
  // A new item at 1000000000 would make a list of that length.
  if (Array.isArray(holder) && !Object.hasOwn(holder, key)) holder.push(value);
  else Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

/** One to three values of a JSON text replaced by odd ones, removed, renamed or nested. */
export function mutateJson(text: string, int: Int): { text: string; what: string } {
  const root: { value: unknown } = { value: JSON.parse(text) };
  const what: string[] = [];
  for (let i = 1 + int(3); i > 0; i--) {
    const all = slots(root);
    const { holder, key } = all[int(all.length)] as Slot;
    const odd = structuredClone(ODD_VALUES[int(ODD_VALUES.length)]);
    const way = int(6);
    what.push(`${key} ${['odd', 'odd', 'removed', 'renamed', 'nested', "another's"][way]}`);
    if (way < 2) put(holder, key, odd);
    else if (way === 2) delete holder[key];
    else if (way === 3) put(holder, JSON.stringify(odd).slice(0, 40), holder[key]);
    else if (way === 4) put(holder, key, int(2) ? [holder[key]] : { [key]: structuredClone(holder[key]) });
    else {
      const other = all[int(all.length)] as Slot;
      put(holder, key, structuredClone(other.holder[other.key]));
    }
    if (root.value === undefined) root.value = null;
  }
  return { text: JSON.stringify(root.value), what: what.join(', ') };
}

const ODD_CELLS = ['', '"', '""', ',', '\n', '\r', '\t', '=1+1', 'NaN', '1e999', '-1', '0x10', ' ', '\ufeff', '\u0000'];
const LONG_CELLS = ['x'.repeat(70_000), '__proto__', '../../x', '/etc/passwd', '9007199254740993', '1.5', '\u2028'];

/** One to three cells or lines of a text table changed. */
export function mutateTable(text: string, int: Int): { text: string; what: string } {
  const cells = [...ODD_CELLS, ...LONG_CELLS];
  let lines = text.split('\n');
  const what: string[] = [];
  for (let i = 1 + int(3); i > 0; i--) {
    const at = int(lines.length);
    const parts = (lines[at] as string).split(/([,\t ])/);
    const part = int(parts.length);
    const way = int(5);
    what.push(`line ${at + 1} ${['cell', 'cell', 'removed', 'doubled', 'moved'][way]}`);
    if (way < 2) {
      parts[part] =
        int(4) === 0 ? parts[part] + (cells[int(cells.length)] as string) : (cells[int(cells.length)] as string);
      lines = lines.toSpliced(at, 1, parts.join(''));
    } else if (way === 2) lines = lines.toSpliced(at, 1);
    else if (way === 3) lines = lines.toSpliced(at, 0, lines[at] as string);
    else lines = [...lines.toSpliced(at, 1), lines[at] as string];
    if (lines.length === 0) lines = [''];
  }
  return { text: lines.join('\n'), what: what.join(', ') };
}
