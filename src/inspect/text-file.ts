import { kindText, openFile, readBytes } from '../core/index.ts';
import { isSearchResult } from '../search/index.ts';
import { type Described, fact, factsOf } from './inspected.ts';

/** Of a text: enough for a pointer, a header, the first line of a table or the keys of a configuration. */
const MAX_BYTES = 1 << 20;

function startOf(path: string): { readonly text: string; readonly whole: boolean } {
  const source = openFile(path);
  try {
    const bytes = readBytes(source, 0, Math.min(source.size, MAX_BYTES));
    return { text: Buffer.from(bytes).toString('utf8'), whole: source.size <= MAX_BYTES };
  } finally {
    source.close();
  }
}

/** What is left of a symbolic link where links are copied as texts: one line, a path. */
const LINK = /^(?:\.{0,2}\/)?[^\s/]+(?:\/[^\s/]+)+$/;

/** The text of a symbolic link: where it leads. */
export function describeLink(path: string): Described {
  return { kind: 'link', is: kindText('link').is, facts: { link_to: fact(startOf(path).text.trim(), 'the text') } };
}

/** Any other text. */
export function describeText(path: string): Described {
  const { text } = startOf(path);
  return text.length < 4096 && LINK.test(text) ? describeLink(path) : { kind: 'text', is: 'is a text' };
}

/** A Git LFS pointer: what it points to. */
export function describePointer(path: string): Described {
  const { text } = startOf(path);
  const value = (key: string): string | undefined => new RegExp(`^${key} (\\S+)`, 'm').exec(text)?.[1];
  const [oid, size] = [value('oid'), value('size')];
  return {
    kind: 'git-lfs',
    is: 'is a Git LFS pointer, not the file itself',
    facts: factsOf({
      oid: oid === undefined ? undefined : fact(oid, 'the pointer'),
      size_of_file: size === undefined ? undefined : fact(Number(size), 'the pointer'),
    }),
  };
}

/** What JSON texts are called by their members. */
const JSON_KINDS: readonly (readonly [members: readonly string[], is: string])[] = [
  [['weight_map'], 'is the index of a sharded checkpoint'],
  [['id2label'], 'is the configuration of a Hugging Face model'],
  [['architectures'], 'is the configuration of a Hugging Face model'],
  [['image_mean'], 'is the image processor of a Hugging Face model'],
  [['pretrained_cfg'], 'is the configuration of a timm model'],
];

/** A JSON text, or JSON lines. */
export function describeJson(path: string): Described {
  const { text, whole } = startOf(path);
  const [first = ''] = text.split('\n', 1);
  if (isSearchResult(first)) {
    const lines = text.split('\n').filter((line) => line !== '').length;
    const n = fact(whole ? lines : `more than ${lines - 1}`, 'the lines');
    return { kind: 'search-cache', is: 'is the cache of avg-ckpt search', facts: { n_results: n } };
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(whole ? text : first);
  } catch {
    return { kind: 'json', is: 'is a JSON text', notes: [whole ? 'it cannot be parsed' : 'too long to be looked at'] };
  }
  if (typeof parsed !== 'object' || parsed === null) return { kind: 'json', is: 'is a JSON text' };
  if (Array.isArray(parsed))
    return { kind: 'json', is: 'is a JSON list', facts: { n_items: fact(parsed.length, 'the list') } };
  const keys = Object.keys(parsed);
  const is = JSON_KINDS.find(([members]) => members.every((name) => keys.includes(name)))?.[1] ?? 'is a JSON text';
  return { kind: 'json', is, facts: keys.length === 0 ? {} : { keys: fact(keys, 'the text') } };
}

/** Whether bytes can be a text: no control characters but blanks. */
export const looksText = (head: Uint8Array): boolean =>
  head.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d || byte === 0x0c);

export const PER_IMAGE = 'is a table of predictions (eval-ckpt `perImage`)';

/** What tables of onnx-temper are, by the columns that they begin with. */
const OUR_TABLES: readonly (readonly [start: string, kind: string, is: string])[] = [
  ['model,key,label,class1', 'per-image', PER_IMAGE],
];

/** The first line of a table of texts. */
export function describeTable(path: string): Pick<Described, 'kind' | 'is' | 'facts'> {
  const line =
    startOf(path)
      .text.replace(/^\ufeff/, '')
      .split(/\r?\n/, 1)[0] ?? '';
  const separator = [',', '\t', ';'].find((one) => line.includes(one));
  const columns = separator === undefined ? [] : line.split(separator).map((name) => name.trim());
  const [, kind = 'table', is = 'is a table'] = OUR_TABLES.find(([start]) => line.startsWith(start)) ?? [];
  return { kind, is, facts: columns.length === 0 ? {} : { columns: fact(columns, 'the first line') } };
}
