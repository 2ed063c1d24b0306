import type { Model } from '../onnx/index.ts';
import type { Fact } from './fact.ts';

/** Keys of metadata_props under which exporters and people put class names. */
const KEYS = ['names', 'class_names', 'classes', 'labels', 'id2label'];

/** A Python string, or number, at the start of a text. */
const PYTHON_VALUE = /^\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\d+))\s*/;

const unescaped = (text: string): string => text.replace(/\\(.)/g, '$1');

/** The values of a Python dict or list of strings and numbers, in order; undefined for anything else. */
function pythonValues(text: string): string[] | undefined {
  const [open, close] = [text.trim().at(0), text.trim().at(-1)];
  if (`${open}${close}` !== '{}' && `${open}${close}` !== '[]') return undefined;
  let rest = text.trim().slice(1, -1);
  const values: string[] = [];
  while (rest.trim() !== '') {
    const match = PYTHON_VALUE.exec(rest);
    if (!match) return undefined;
    values.push(match[3] ?? unescaped(match[1] ?? match[2] ?? ''));
    const next = rest.slice(match[0].length);
    // `key:` and `value,` alternate in a dict; in a list there are values alone.
    const separator = open === '{' && values.length % 2 === 1 ? ':' : ',';
    if (next !== '' && !next.startsWith(separator)) return undefined;
    rest = next.slice(1);
  }
  return values;
}

type Pair = readonly [name: string, index: number];

function jsonPairs(text: string): Pair[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const pairs = Array.isArray(parsed)
    ? parsed.map((name: unknown, index) => [name, index] as const)
    : Object.entries(parsed).map(([key, value]: [string, unknown]) =>
        typeof value === 'number'
          ? ([key, value] as const)
          : ([Array.isArray(value) ? value[0] : value, Number(key)] as const),
      );
  // A list of objects names no classes, and an object of a file may be none that has a text.
  const isName = (name: unknown): boolean => typeof name === 'string' || typeof name === 'number';
  return pairs.every(([name]) => isName(name)) ? pairs.map(([name, index]) => [String(name), index]) : undefined;
}

function pythonPairs(text: string): Pair[] | undefined {
  const values = pythonValues(text);
  if (!values || !text.trim().startsWith('{')) return values?.map((name, index) => [name, index]);
  const pairs: Pair[] = [];
  for (let i = 0; i + 1 < values.length; i += 2) {
    const [key, value] = [values[i] as string, values[i + 1] as string];
    pairs.push(/^\d+$/.test(key) ? [value, Number(key)] : [key, Number(value)]);
  }
  return pairs;
}

/**
 * Class names of a text: JSON or a Python dict or list, by index (`{0: 'cat', 1: 'dog'}`, as Ultralytics writes it) or by name
 * (`{"cat": 0}`), or names between commas.
 * @returns undefined where the text is none of it, leaves an index out, or gives placeholders (`LABEL_0`)
 */
export function parseClassNames(text: string): string[] | undefined {
  const plain = /^[^{}[\]]+,/.test(text) ? text.split(',').map((name, index): Pair => [name.trim(), index]) : undefined;
  const pairs = jsonPairs(text) ?? pythonPairs(text) ?? plain;
  if (!pairs || pairs.length < 2) return undefined;
  const names: string[] = [];
  for (const [name, index] of pairs) if (Number.isInteger(index) && index < pairs.length) names[index] = name;
  if (Object.keys(names).length !== pairs.length || new Set(names).size !== names.length) return undefined;
  return names.every((name) => /^LABEL_\d+$/.test(name)) ? undefined : names;
}

/** The class names that a file's metadata has. */
export function classNames({ record }: Pick<Model, 'record'>): Fact<readonly string[]> | undefined {
  for (const key of KEYS) {
    const entry = record.metadata.find((one) => one.key === key);
    const value = entry && parseClassNames(entry.value);
    if (value) return { value, source: `the model's metadata (${key})` };
  }
  return undefined;
}
