import type { PayloadCursor } from '../../onnx/index.ts';
import { scaleValues } from './evaluate.ts';
import { operandOf } from './find-copies.ts';
import { findNorms, ratioTolerance } from './find-norms.ts';
import { ARITHMETICS, type Arithmetic, type BlockFold, blockFold, type Channels } from './fold-arithmetic.ts';
import { equalProof } from './prove.ts';
import { byName, type Explained, type Search } from './search.ts';
import type { StateKey } from './state-values.ts';
import { openTensor, type TemplateTensor, templatePrint } from './template-tensors.ts';
import { decodeValues, sameBits, type Values, valuesAt } from './values.ts';

/** Whether the first values of a weight, those of one channel, may be multiples of each other: most pairs fail here, unread. */
export function headFits(
  target: Values,
  { dims, print: { head } }: StateKey,
  { axis }: Channels,
  tolerance: number,
): boolean {
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  const count = Math.min(inner, head.length);
  const first = head.subarray(0, count).findIndex((value) => value !== 0);
  if (first < 0) return true;
  const ratio = (target[first] as number) / (head[first] as number);
  for (let i = 0; i < count; i++) {
    const wanted = target[i] as number;
    if (!(Math.abs(wanted - ratio * (head[i] as number)) <= 4 * tolerance * Math.abs(wanted) + Number.MIN_VALUE))
      return false;
  }
  return true;
}

/** Channels whose ratio is taken, and elements that it is taken from: a few short reads a tensor. */
const SAMPLED_ROWS = 32;
const FIRST_ELEMENTS = 16;
/** Elements that are read and folded at a time: they stay in the processor's cache. */
const BLOCK_ELEMENTS = 1 << 15;
const ITEM_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Two float32 tensors of a file each. */
interface Pair {
  readonly target: () => PayloadCursor;
  readonly source: () => PayloadCursor;
}

/** Some rows of so many, the first and the last among them. */
function someRows(rows: number): number[] {
  const count = Math.min(rows, SAMPLED_ROWS);
  return Array.from({ length: count }, (_, i) => Math.floor((i * (rows - 1)) / Math.max(1, count - 1)));
}

/** What multiplies some rows to give the target's, from the largest of their first elements; NaN for zeros and for other rows. */
function rowRatios({ target, source }: Pair, rows: number, inner: number, tolerance: number): Float64Array | undefined {
  const taken = Math.min(inner, FIRST_ELEMENTS);
  const sampled = someRows(rows);
  const places = sampled.flatMap((row) => Array.from({ length: taken }, (_, i) => row * inner + i));
  const [wanted, given] = [valuesAt(target, 'float32', places), valuesAt(source, 'float32', places)];
  const ratios = new Float64Array(rows).fill(Number.NaN);
  for (const [at, row] of sampled.entries()) {
    let [largest, ratio] = [0, 0];
    for (let i = at * taken; i < (at + 1) * taken; i++) {
      const value = given[i] as number;
      if (!(Math.abs(value) > largest)) continue;
      largest = Math.abs(value);
      ratio = (wanted[i] as number) / value;
    }
    if (largest > 0) ratios[row] = ratio;
    for (let i = at * taken; i < (at + 1) * taken; i++) {
      const own = wanted[i] as number;
      if (!(Math.abs(own - ratio * (given[i] as number)) <= 2 * tolerance * Math.abs(own) + Number.MIN_VALUE))
        return undefined;
    }
  }
  return ratios;
}

/** Whether the source folded is the target, to the bit: all of both, block by block. */
function foldsTo({ target, source }: Pair, fold: BlockFold): boolean {
  const [wanted, given] = [target(), source()];
  const count = wanted.byteLength / ITEM_BYTES;
  const [left, right] = [0, 1].map(() => new Uint8Array(Math.min(count, BLOCK_ELEMENTS) * ITEM_BYTES)) as [
    Uint8Array,
    Uint8Array,
  ];
  const folded = new Float32Array(Math.min(count, BLOCK_ELEMENTS));
  for (let first = 0; first < count; first += BLOCK_ELEMENTS) {
    const length = Math.min(BLOCK_ELEMENTS, count - first);
    const [a, b] = [left, right].map((bytes) => bytes.subarray(0, length * ITEM_BYTES)) as [Uint8Array, Uint8Array];
    wanted.read(a);
    given.read(b);
    fold(first, decodeValues(b, 'float32'), folded);
    if (!sameBits(folded.subarray(0, length), decodeValues(a, 'float32'))) return false;
  }
  return true;
}

const ORDERS = ARITHMETICS.filter((order): order is Exclude<Arithmetic, 'float64'> => order !== 'float64');

/**
 * A float32 weight in the state dict's own layout with a BatchNormalization folded into it, in an order of float32: what exporters
 * write. It is found by some elements of each channel and then proved on all of them, without either tensor in memory. Other layouts,
 * types and orders are found by their whole values.
 */
export function findPlainFold(search: Search, tensor: TemplateTensor, { axis }: Channels): Explained | undefined {
  if (axis !== 0 || tensor.type !== 'float32') return undefined;
  const { state, template } = search;
  const tolerance = ratioTolerance('float32');
  const { head } = templatePrint(template, tensor);
  for (const key of byName(tensor.name, state.sized(tensor.count))) {
    const plain = key.type === 'float32' && key.dims.length > 1 && key.dims.join() === tensor.dims.join();
    if (!plain || !headFits(head, key, { axis, groups: 1 }, tolerance)) continue;
    const pair: Pair = {
      target: () => openTensor(template, tensor),
      source: () => state.open(key.key),
    };
    const rows = key.dims[0] as number;
    const inner = tensor.count / rows;
    const ratios = rowRatios(pair, rows, inner, tolerance);
    for (const norm of ratios ? findNorms(search, ratios, tolerance) : []) {
      const values = scaleValues(state.values, norm);
      const arithmetic = ORDERS.find((order) => foldsTo(pair, blockFold(inner, values, order)));
      if (!arithmetic) continue;
      const of = operandOf(key);
      return {
        expression: { kind: 'folded weight', of, channels: { axis, groups: 1 }, norm, arithmetic },
        proof: equalProof('float32'),
      };
    }
  }
  return undefined;
}
