import { isScalar, parseDocument, stringify, visit } from 'yaml';
import { openFile, readBytes, TemperError } from '../core/index.ts';

/** A recipe has some hundred lines; ten thousand snapshots still fit. */
const MOST_BYTES = 2 << 20;
/** A recipe is four levels deep. */
const MOST_DEPTH = 16;

const limit = (path: string, what: string): TemperError =>
  new TemperError('FORMAT_LIMIT', `${path}: ${what}`, { hint: 'Name a recipe that finish wrote.', details: { path } });

function readText(path: string): string {
  const source = openFile(path);
  try {
    if (source.size > MOST_BYTES) throw limit(path, `more than ${MOST_BYTES} bytes`);
    return Buffer.from(readBytes(source, 0, source.size)).toString('utf8');
  } finally {
    source.close();
  }
}

function assertShallow(path: string, value: unknown, depth = 0): void {
  if (depth > MOST_DEPTH) throw limit(path, `nested more than ${MOST_DEPTH} levels deep`);
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) assertShallow(path, member, depth + 1);
}

/** The deepest that brackets nest: the parser calls itself for each. */
function bracketDepth(text: string): number {
  let [depth, deepest] = [0, 0];
  for (const char of text) {
    if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth);
    else if (char === ']' || char === '}') depth--;
  }
  return deepest;
}

const malformed = (path: string, what: string, hint: string, cause?: unknown): TemperError =>
  new TemperError('FORMAT_MALFORMED', `${path}: ${what}`, { hint, details: { path }, cause });

/** The parser's own check compares each key with each: many keys would take hours. */
function assertUniqueKeys(path: string, document: ReturnType<typeof parseDocument>): void {
  visit(document, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) throw malformed(path, 'a key is no text', 'Write `name: value`.');
        const name = String(key.value);
        if (seen.has(name)) throw malformed(path, `${name} is there twice`, 'Leave one of them.');
        seen.add(name);
      }
    },
  });
}

/** Each line that only opens a level: `- - - -`, or deeper indentation than a recipe has. */
const DEEP_LINE = new RegExp(`^(?:[ \\t]{${8 * MOST_DEPTH},}\\S|\\s*(?:[-?] +){${MOST_DEPTH},})`, 'm');

/**
 * Reads a YAML file as plain data. No anchors, no tags of classes; size and depth are bounded before it is parsed.
 * @throws TemperError INPUT_*, FORMAT_LIMIT, FORMAT_MALFORMED with line and column
 */
export function readYaml(path: string): unknown {
  const text = readText(path);
  if (bracketDepth(text) > MOST_DEPTH || DEEP_LINE.test(text)) {
    throw limit(path, `nested more than ${MOST_DEPTH} levels deep`);
  }
  const document = parseDocument(text, { schema: 'core', uniqueKeys: false, prettyErrors: true, logLevel: 'silent' });
  const [first] = [...document.errors, ...document.warnings];
  const mend = 'Mend the line, or let finish write the recipe again.';
  if (first) throw malformed(path, first.message.split('\n')[0]?.replace(/:$/, '') ?? 'no YAML', mend);
  assertUniqueKeys(path, document);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw malformed(path, what, 'Write values out: a recipe has no aliases.', error);
  }
  assertShallow(path, value);
  return value;
}

/** The same data as the same text, whatever the machine. */
export const yamlText = (value: unknown): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
