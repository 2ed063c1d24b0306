import type { Expression, Operand, Part } from './expression.ts';
import { operandOf } from './find-copies.ts';
import { niceFactor } from './find-factor.ts';
import { type Explained, type Search, tried, valuesLike } from './search.ts';
import type { StateKey } from './state-values.ts';
import type { TemplateTensor } from './template-tensors.ts';
import type { Values } from './values.ts';
import { readView, reorderings, slices, type View } from './view.ts';

const same = (a: number | undefined, b: number | undefined): boolean => Object.is(a, b);

/** Whether a list of values begins at a place of another one. */
function beginsAt(values: Values, within: Values, offset: number, count = values.length): boolean {
  for (let i = 0; i < count; i++) if (!same(values[i], within[offset + i])) return false;
  return true;
}

const flat = (count: number, offset: number): View => ({ dims: [count], strides: [1], offset });

/** Stretches of a key that hold the values one after the other: all of them, where rows are alike. */
function* stretches(values: Values, within: Values): Generator<View> {
  for (let at = 0; at + values.length <= within.length; at++)
    if (beginsAt(values, within, at)) yield flat(values.length, at);
}

/** Elements compared before a slice is proved. */
const FIRST_ELEMENTS = 16;

function* slicesOf(values: Values, tensor: TemplateTensor, key: StateKey, within: Values): Generator<View> {
  yield* stretches(values, within);
  for (const view of slices(key.dims, tensor.dims)) {
    const start = Math.min(FIRST_ELEMENTS, view.dims.at(-1) ?? 1);
    const step = view.strides.at(-1) ?? 1;
    let fits = true;
    for (let i = 0; fits && i < start; i++) fits = same(values[i], within[view.offset + i * step]);
    if (fits) yield view;
  }
}

/** A part of a key, or its elements in an order that its own axes do not give. */
export function findSlice(search: Search, tensor: TemplateTensor, keys: readonly StateKey[]): Explained | undefined {
  const copy = (key: StateKey, view: View): Expression => ({ kind: 'copy', of: { ...operandOf(key), view } });
  for (const key of keys) {
    const values = valuesLike(search, tensor, key);
    const found: Explained[] = [];
    for (const view of slicesOf(values, tensor, key, search.state.values(key.key))) {
      const one = tried(search, tensor, copy(key, view));
      if (one) found.push(one);
      if (found.length > 1) break;
    }
    const [first, other] = found;
    if (first) return other && !sameElements(first, other) ? { ...first, alternative: other.expression } : first;
  }
  return undefined;
}

/** A slice may be said in two ways, as a stretch and along an axis. */
function sameElements(a: Explained, b: Explained): boolean {
  if (a.expression.kind !== 'copy' || b.expression.kind !== 'copy') return false;
  const [x, y] = [a.expression.of.view, b.expression.of.view];
  return x !== undefined && y !== undefined && x.offset === y.offset;
}

/** Tables larger than this are gathered by the graph itself (exporters fold up to 8192 values of an input). */
const MOST_GATHERED = 1 << 22;

function rowKey(values: Values, start: number, width: number, step: number): string {
  let key = '';
  for (let i = 0; i < width; i++) key += `${values[start + i * step]},`;
  return key;
}

/** The rows of a table that give the tensor, and other rows that are equal to them. */
function gatherRows(
  values: Values,
  table: Values,
  width: number,
  inner: number,
): { first: Int32Array; last: Int32Array } | undefined {
  const rows = new Map<string, { first: number; last: number }>();
  for (let row = 0; row * width < table.length; row++) {
    const key = rowKey(table, row * width, width, 1);
    const known = rows.get(key);
    if (known) known.last = row;
    else rows.set(key, { first: row, last: row });
  }
  const count = values.length / width;
  const [first, last] = [new Int32Array(count), new Int32Array(count)];
  for (let r = 0; r < count; r++) {
    const found = rows.get(rowKey(values, Math.floor(r / inner) * width * inner + (r % inner), width, inner));
    if (!found) return undefined;
    first[r] = found.first;
    last[r] = found.last;
  }
  return { first, last };
}

/** Rows of a table by an index, such as relative position biases: table[index], its last axis moved to any place. */
export function findGather(search: Search, tensor: TemplateTensor, keys: readonly StateKey[]): Explained | undefined {
  if (tensor.count > MOST_GATHERED) return undefined;
  for (const key of keys) {
    if (key.count > MOST_GATHERED) continue;
    const values = valuesLike(search, tensor, key);
    const row = key.dims.at(-1) ?? 1;
    const axes = tensor.dims.flatMap((dim, axis) => (dim === row && key.dims.length > 1 ? [axis] : []));
    const ways = [
      ...axes.map((axis) => ({
        width: row,
        inner: tensor.dims.slice(axis + 1).reduce((product, dim) => product * dim, 1),
      })),
      { width: 1, inner: 1 },
    ];
    for (const { width, inner } of ways) {
      const rows = gatherRows(values, search.state.values(key.key), width, inner);
      if (!rows) continue;
      const by = (index: Int32Array): Expression => ({
        kind: 'gathered',
        of: operandOf(key),
        rows: index,
        width,
        inner,
      });
      const found = tried(search, tensor, by(rows.first));
      if (!found) continue;
      return rows.first.every((one, i) => one === rows.last[i]) ? found : { ...found, alternative: by(rows.last) };
    }
  }
  return undefined;
}

const HEAD_VALUES = 4;

/** Keys by their first values. */
function keysByHead(search: Search): (values: Values, at: number) => readonly StateKey[] {
  const keys = new Map<string, StateKey[]>();
  const nameOf = (values: Values, at: number): string => rowKey(values, at, HEAD_VALUES, 1);
  for (const key of search.state.keys) {
    if (key.print.uniform || key.count < HEAD_VALUES) continue;
    const name = nameOf(key.print.head, 0);
    keys.set(name, [...(keys.get(name) ?? []), key]);
  }
  return (values, at) => keys.get(nameOf(values, at)) ?? [];
}

/** A key that a joined tensor goes on with, as it is or scaled. */
function nextPart(search: Search, values: Values, at: number, byHead: ReturnType<typeof keysByHead>): Part | undefined {
  for (const key of byHead(values, at).toSorted((a, b) => b.count - a.count)) {
    if (at + key.count <= values.length && beginsAt(search.state.values(key.key), values, at)) {
      return { operand: operandOf(key), count: key.count };
    }
  }
  for (const key of search.state.keys) {
    if (key.print.uniform || at + key.count > values.length || key.count < HEAD_VALUES) continue;
    const factor = niceFactor(values.subarray(at, at + key.print.head.length), key.print.head);
    if (factor === undefined || factor === 1) continue;
    const own = search.state.values(key.key);
    let fits = true;
    for (let i = 0; fits && i < own.length; i++) fits = same(Math.fround((own[i] as number) * factor), values[at + i]);
    if (fits) return { operand: operandOf(key), factor, count: key.count };
  }
  let zeros = 0;
  while (values[at + zeros] === 0) zeros++;
  return zeros > 0 ? { count: zeros } : undefined;
}

/** Several keys one after the other along an axis, with zeros where a part has none: joined queries, keys and values. */
export function findJoined(search: Search, tensor: TemplateTensor): Explained | undefined {
  const byHead = keysByHead(search);
  const own = search.valuesOf(tensor);
  const rows = tensor.dims.filter((dim) => dim !== 1);
  const turned = rows.length === 2 ? reorderings(rows, rows.toReversed()) : [];
  for (const view of [undefined, ...turned]) {
    const values = view ? readView(own, view) : own;
    const parts: Part[] = [];
    for (let at = 0; at < values.length; ) {
      const part = nextPart(search, values, at, byHead);
      if (!part) break;
      parts.push(part);
      at += part.count;
    }
    const covered = parts.reduce((sum, { count }) => sum + count, 0);
    if (covered < values.length || parts.length < 2 || parts.every(({ operand }) => !operand)) continue;
    const [height = 1, width = 1] = rows;
    const back: View = { dims: [height, width], strides: [1, height], offset: 0 };
    const found = tried(search, tensor, view ? { kind: 'joined', parts, view: back } : { kind: 'joined', parts });
    if (found) return found;
  }
  return undefined;
}

/** Operands that a scaled tensor may come from: a key in any order, or one of the equal parts of a larger one. */
export function* scaledOperands(search: Search, tensor: TemplateTensor): Generator<Operand> {
  for (const key of search.state.sized(tensor.count)) {
    if (key.print.uniform) continue;
    yield operandOf(key);
    for (const view of reorderings(key.dims, tensor.dims)) yield { ...operandOf(key), view };
  }
  for (const key of search.state.keys) {
    if (key.count <= tensor.count || key.count % tensor.count !== 0 || key.print.uniform) continue;
    const parts = key.count / tensor.count;
    if (parts > MOST_PARTS) continue;
    for (let part = 0; part < parts; part++) {
      const offset = part * tensor.count;
      yield { ...operandOf(key), view: flat(tensor.count, offset) };
      const [height, width] = tensor.dims.filter((dim) => dim !== 1);
      if (height !== undefined && width !== undefined) {
        yield { ...operandOf(key), view: { dims: [height, tensor.count / height], strides: [1, height], offset } };
      }
    }
  }
}

/** Queries, keys and values: three, of several heads a few more. */
const MOST_PARTS = 8;
