import { TemperError } from '../../core/index.ts';

/** The largest published sets have some 10^5 shards. */
const MAX_EXPANSION = 1_000_000;
const BRACES = /\{([^{}]*)\}/;

function alternatives(path: string, inside: string): string[] {
  const usage = (what: string, hint: string): TemperError =>
    new TemperError('USAGE', `${path}: {${inside}}: ${what}`, { hint, details: { path } });
  const range = /^(\d+)\.\.(\d+)$/.exec(inside);
  if (!range) {
    if (inside.includes(',')) return inside.split(',');
    throw usage('neither a range nor a list', 'Write {0000..0099} or {a,b}.');
  }
  const [from, to] = [range[1] as string, range[2] as string];
  const [first, last] = [Number(from), Number(to)];
  if (last < first) throw usage('the range runs backwards', 'Write the smaller number first.');
  if (last - first >= MAX_EXPANSION) throw usage(`over ${MAX_EXPANSION} names`, 'Check the range.');
  const width = from.startsWith('0') || to.startsWith('0') ? Math.max(from.length, to.length) : 0;
  return Array.from({ length: last - first + 1 }, (_, i) => String(first + i).padStart(width, '0'));
}

/**
 * Expands `shard-{0000..0099}.tar` and `{a,b}` as a shell and WebDataset do, the last braces running fastest.
 * @throws TemperError USAGE
 */
export function expandBraces(path: string): string[] {
  const match = BRACES.exec(path);
  if (!match) return [path];
  const before = path.slice(0, match.index);
  const tails = expandBraces(path.slice(match.index + match[0].length));
  const heads = alternatives(path, match[1] as string);
  if (heads.length * tails.length > MAX_EXPANSION) {
    throw new TemperError('USAGE', `${path}: over ${MAX_EXPANSION} names`, { hint: 'Check the ranges.' });
  }
  return heads.flatMap((head) => tails.map((tail) => `${before}${head}${tail}`));
}
