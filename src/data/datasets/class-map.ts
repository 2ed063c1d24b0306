import { HEAD_BYTES, otherKind, readError, readSmallFile, TemperError } from '../../core/index.ts';

/** Class names and the indices that a model gives them. */
export interface ClassMap {
  readonly path: string;
  readonly indexOf: ReadonlyMap<string, number>;
  /** The indices that have a name. */
  readonly indices: ReadonlySet<number>;
  /** Names by index; an index without a name stands as its number. */
  readonly classes: readonly string[];
}

/** The largest published label sets have some 10^5 classes; `classes` is as long as the largest index. */
const MAX_CLASSES = 1 << 22;
const SYNSET = /^(n\d{8})(\s.*)?$/;
const NAME_AND_INDEX = /^(.*\S)[ \t]+(\d+)$/;

type Pair = readonly [name: string, index: number];

function malformed(path: string, what: string): TemperError {
  return new TemperError('FORMAT_TABLE', `${path}: class map: ${what}`, {
    hint: 'Write one name a line, `name<TAB>index` or `name,index` lines, or JSON: ["name", …] or {"name": index, …}.',
    details: { path },
  });
}

function jsonPairs(path: string, text: string): Pair[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw malformed(path, error instanceof Error ? error.message : String(error));
  }
  if (Array.isArray(parsed)) {
    return parsed.map((name: unknown, index) => {
      if (typeof name !== 'string' && typeof name !== 'number')
        throw malformed(path, `item ${index} is ${JSON.stringify(name)}, expected a name`);
      return [String(name), index];
    });
  }
  if (typeof parsed !== 'object' || parsed === null) throw malformed(path, 'expected a JSON array or object');
  return Object.entries(parsed).map(([key, value]): Pair => {
    if (typeof value === 'number') return [key, value];
    // id2label of Hugging Face, {"0": "tench"}, and Keras' imagenet_class_index, {"0": ["n01440764", "tench"]}.
    const name: unknown = Array.isArray(value) ? value[0] : value;
    if (/^\d+$/.test(key) && typeof name === 'string') return [name, Number(key)];
    throw malformed(path, `"${key}" has ${JSON.stringify(value)}, expected an index`);
  });
}

const CSV_PAIR = /^"?([^"]*?)"?\s*[,;]\s*"?([^"]*?)"?$/;

/** A table of names and indices in either order, where `header` after a first row of other words; undefined for other text. */
function csvPairs(lines: readonly string[], header: boolean): Pair[] | undefined {
  const rows = lines.map((line) => CSV_PAIR.exec(line)?.slice(1) ?? []);
  for (const at of [1, 0]) {
    const isIndex = (row: readonly string[]): boolean => /^\d+$/.test(row[at] ?? '') && row[1 - at] !== '';
    const body = header && !isIndex(rows[0] ?? []) ? rows.slice(1) : rows;
    if (body.length > 0 && body.every(isIndex)) return body.map((row) => [row[1 - at] as string, Number(row[at])]);
  }
  return undefined;
}

function textPairs(lines: readonly string[], isTable: boolean): Pair[] {
  const table = csvPairs(lines, isTable);
  if (table) return table;
  const pairs = lines.flatMap((line): Pair[] => {
    const match = NAME_AND_INDEX.exec(line);
    return match ? [[match[1] as string, Number(match[2])]] : [];
  });
  // "class 1", "class 2" are names that end in a number; an index belongs to a name that occurs once.
  const indexed = pairs.length === lines.length && new Set(pairs.map(([name]) => name)).size === pairs.length;
  if (indexed) return pairs;
  const synsets = lines.map((line) => SYNSET.exec(line)?.[1]);
  return lines.map((line, index) => [synsets.includes(undefined) ? line : (synsets[index] as string), index]);
}

function classMapOf(path: string, indexOf: ReadonlyMap<string, number>): ClassMap {
  const indices = new Set(indexOf.values());
  const classes = Array.from({ length: [...indices].reduce((a, b) => Math.max(a, b)) + 1 }, (_, index) =>
    String(index),
  );
  // The first name of an index is its name; later ones are synonyms.
  for (const [name, index] of [...indexOf].reverse()) classes[index] = name;
  return { path, indexOf, indices, classes };
}

/**
 * Reads a class map: text (a name a line, the line number being the index; `name<TAB or space>index`; `name,index` or `index,name`, as CSV; ImageNet synset
 * lines, `n01440764 tench`) or JSON (array; name to index; index to name). Two names may share an index.
 * @throws TemperError FORMAT_TABLE, INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export function readClassMap(path: string): ClassMap {
  let text: string;
  try {
    const bytes = readSmallFile(path);
    const other = otherKind(path, bytes.subarray(0, HEAD_BYTES), 'a class map', ['empty', 'json']);
    if (other) throw other;
    text = bytes.toString('utf8').replace(/^\ufeff/, '');
  } catch (error) {
    throw readError(path, error);
  }
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const isTable = /\.csv$/i.test(path);
  if (isTable && !csvPairs(lines, true)) {
    throw malformed(path, 'a table of other columns than a name and an index');
  }
  const pairs = /^\s*[[{]/.test(text) ? jsonPairs(path, text) : textPairs(lines, isTable);
  if (pairs.length === 0) throw malformed(path, 'no classes');
  const indexOf = new Map<string, number>();
  for (const [name, index] of pairs) {
    if (!Number.isInteger(index) || index < 0 || index >= MAX_CLASSES) {
      throw malformed(path, `"${name}" has index ${index}, expected an integer from 0 to ${MAX_CLASSES - 1}`);
    }
    if (indexOf.has(name)) throw malformed(path, `"${name}" occurs twice`);
    indexOf.set(name, index);
  }
  return classMapOf(path, indexOf);
}

/**
 * The class map of folders whose names are class indices ("0", "1", … "10").
 * @throws TemperError FORMAT_LABEL for a name that is no index
 */
export function numberMap(path: string, names: readonly string[]): ClassMap {
  const bad = names.find((name) => !/^\d+$/.test(name) || Number(name) >= MAX_CLASSES);
  if (bad !== undefined) {
    throw new TemperError('FORMAT_LABEL', `${path}: class folder ${bad} is no class index`, {
      hint: 'Number the folders with `classes` FILE, or as text with `classes` sorted.',
      details: { path, folder: bad },
    });
  }
  return classMapOf(path, new Map(names.map((name) => [name, Number(name)])));
}
