// Compares what two runs left, by kind of file. A difference is { kind, part, field?, detail }: see ../compare-builds.mjs.
import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { diffLines } from './diff-lines.mjs';
import { isTime, maskHtml, maskText, maskWords } from './mask.mjs';
import { splitModel } from './wire.mjs';

const SHOWN = 3;

const shown = (value) => {
  const text = value === undefined ? '(absent)' : typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
};

/** The first of the places that differ, and how many more there are. */
function summary(places) {
  const lines = places.slice(0, SHOWN).map(({ at, before, after }) => `${at}: ${shown(before)} -> ${shown(after)}`);
  const more = places.length - SHOWN;
  return [`${places.length} differ`, ...lines, ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

/** Compares two lists of { field, at, value } by field and place; fields that only the second has are added. */
function compareValues(part, kind, before, after) {
  const group = (values) => {
    const groups = new Map();
    for (const { field, at, value } of values) {
      if (!groups.has(field)) groups.set(field, new Map());
      groups.get(field).set(at, value);
    }
    return groups;
  };
  const [first, second] = [group(before), group(after)];
  const found = [];
  for (const [field, values] of first) {
    if (isTime(field)) {
      if (!second.has(field)) found.push({ kind, part, field, detail: 'only before' });
      continue;
    }
    const others = second.get(field);
    if (!others) {
      found.push({ kind, part, field, detail: `only before: ${shown([...values.values()][0])}` });
      continue;
    }
    const places = [...new Set([...values.keys(), ...others.keys()])]
      .map((at) => ({ at, before: values.get(at), after: others.get(at) }))
      .filter((place) => !Object.is(place.before, place.after));
    if (places.length > 0) found.push({ kind, part, field, detail: summary(places) });
  }
  for (const [field, values] of second) {
    if (!first.has(field)) found.push({ kind: 'added', part, field, detail: shown([...values.values()][0]) });
  }
  return found;
}

/** Rows of a table as values by column, as text. */
const cellsOf = (rows, side) =>
  rows.flatMap((row, i) =>
    Object.entries(row).map(([field, value]) => ({ field, at: `row ${i + 1}`, value: maskWords(String(value), side) })),
  );

/** The leaves of a JSON value: field is the path without indices, so that it names a column of all rows. */
function leavesOf(value, field = '', at = '') {
  if (Array.isArray(value)) {
    if (value.length === 0) return [{ field, at, value: '[]' }];
    return value.flatMap((item, i) => leavesOf(item, `${field}[]`, `${at}[${i}]`));
  }
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value);
    if (members.length === 0) return [{ field, at, value: '{}' }];
    return members.flatMap(([key, item]) => leavesOf(item, field ? `${field}.${key}` : key, at ? `${at}.${key}` : key));
  }
  return [{ field, at, value }];
}

/** Renames the last name of a path. */
const renameLeaf = (path, renamed) => path.replace(/[^.[\]]+(?=[[\]\d]*$)/, (name) => renamed[name] ?? name);

function compareJson(part, kind, [before, after], context) {
  const leaves = [before, after].map((value, i) => {
    const side = sidesOf(context)[i];
    return leavesOf(value).map((leaf) =>
      typeof leaf.value === 'string' ? { ...leaf, value: maskWords(leaf.value, side) } : leaf,
    );
  });
  const first = leaves[0].map((leaf) => ({
    ...leaf,
    field: renameLeaf(leaf.field, context.renamed),
    at: renameLeaf(leaf.at, context.renamed),
  }));
  return compareValues(part, kind, first, leaves[1]);
}

const tryJson = (text) => {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const sidesOf = ({ folders, builds }) => folders.map((folder, i) => ({ folder, build: builds[i] }));

/** The outputs of one command. */
export function compareOutput(before, after, step, context) {
  const [one, two] = sidesOf(context);
  const found = [];
  if (before.exit !== after.exit) {
    found.push({ kind: 'exit', part: `exit ${step}`, detail: `${before.exit} -> ${after.exit}` });
  }
  for (const name of ['stdout', 'stderr']) {
    const part = `${name} ${step}`;
    const [a, b] = [tryJson(before[name]), tryJson(after[name])];
    if (a !== undefined && b !== undefined) found.push(...compareJson(part, 'values', [a, b], context));
    else found.push(...compareText(part, maskText(before[name], one), maskText(after[name], two)));
  }
  return found;
}

function compareText(part, before, after) {
  return before === after ? [] : [{ kind: 'text', part, detail: `\n${diffLines(before, after)}` }];
}

function bytesDetail(a, b) {
  let at = 0;
  while (at < Math.min(a.length, b.length) && a[at] === b[at]) at++;
  return `${a.length} -> ${b.length} bytes, from byte ${at} on`;
}

const csvRows = (bytes) => parseCsv(bytes, { columns: true });
const jsonLines = (bytes) => {
  const lines = bytes.toString('utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line));
};

/** A file whose meaning is a part of its bytes: says whether only its metadata differ. */
function compareParts(part, a, b, split) {
  const [one, two] = [split(a), split(b)];
  if (!one.rest.equals(two.rest))
    return [{ kind: 'files', part, detail: `${bytesDetail(one.rest, two.rest)}, besides metadata` }];
  const keys = [...new Set([...Object.keys(one.metadata), ...Object.keys(two.metadata)])];
  const places = keys
    .filter((key) => one.metadata[key] !== two.metadata[key])
    .map((key) => ({ at: key, before: one.metadata[key], after: two.metadata[key] }));
  const detail = places.length > 0 ? `only metadata: ${summary(places)}` : 'only the order or the encoding of metadata';
  return [{ kind: 'files', part, field: 'metadata', detail }];
}

function splitSafetensors(bytes) {
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8'));
  return { metadata, rest: Buffer.concat([Buffer.from(JSON.stringify(tensors)), bytes.subarray(8 + length)]) };
}

/** Two tables, column by column. */
function compareRows(part, [before, after], context) {
  const [one, two] = sidesOf(context);
  const first = cellsOf(before, one).map((cell) => ({ ...cell, field: context.renamed[cell.field] ?? cell.field }));
  return compareValues(part, 'files', first, cellsOf(after, two));
}

async function compareParquet(part, a, b, context) {
  const rows = await Promise.all(
    [a, b].map((bytes) => parquetReadObjects({ file: new Uint8Array(bytes).buffer, compressors })),
  );
  const plain = rows.map((each) =>
    each.map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, JSON.stringify(v, big)]))),
  );
  const found = compareRows(part, plain, context);
  return found.length > 0 ? found : [{ kind: 'files', part, detail: `${bytesDetail(a, b)}; the cells are the same` }];
}
const big = (_, value) => (typeof value === 'bigint' ? Number(value) : value);

const comparePages = (mask) => (part, a, b, context) => {
  const [one, two] = sidesOf(context);
  return compareText(part, mask(a.toString('utf8'), one), mask(b.toString('utf8'), two));
};

/** How files of an ending compare where their bytes differ. */
const COMPARERS = {
  '.csv': (part, a, b, context) => compareRows(part, [csvRows(a), csvRows(b)], context),
  '.json': (part, a, b, context) => compareJson(part, 'files', [JSON.parse(a), JSON.parse(b)], context),
  '.jsonl': (part, a, b, context) => compareJson(part, 'files', [jsonLines(a), jsonLines(b)], context),
  '.onnx': (part, a, b) => compareParts(part, a, b, splitModel),
  '.safetensors': (part, a, b) => compareParts(part, a, b, splitSafetensors),
  '.parquet': compareParquet,
  '.md': comparePages(maskText),
  '.html': comparePages(maskHtml),
};

export async function compareFile(name, context) {
  const [one, two] = context.folders.map((folder) => join(folder, name));
  const isText = ['.md', '.html'].includes(extname(name));
  if (!existsSync(one) || !existsSync(two)) {
    return [{ kind: 'files', part: name, detail: existsSync(one) ? 'only before' : 'only after' }];
  }
  const [a, b] = [readFileSync(one), readFileSync(two)];
  if (a.equals(b)) return [];
  try {
    const compare = COMPARERS[extname(name)];
    if (compare) return await compare(name, a, b, context);
  } catch (error) {
    return [
      { kind: isText ? 'text' : 'files', part: name, detail: `${bytesDetail(a, b)} (not readable: ${error.message})` },
    ];
  }
  return [{ kind: 'files', part: name, detail: bytesDetail(a, b) }];
}
