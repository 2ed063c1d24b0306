import { channelMoments } from './evaluate.ts';
import type { Expression, Operand } from './expression.ts';
import { operandOf } from './find-copies.ts';
import { niceFactor } from './find-factor.ts';
import { scaledOperands } from './find-parts.ts';
import { eachChannel } from './fold-arithmetic.ts';
import { best, byName, type Explained, type Search, tried } from './search.ts';
import type { StateKey } from './state-values.ts';
import type { TemplateTensor } from './template-tensors.ts';
import { coarser, UNIT, type Values } from './values.ts';
import { readView } from './view.ts';

/** A weight times a number: queries scaled by 1/√d. */
export function findScaled(search: Search, tensor: TemplateTensor): Explained | undefined {
  const target = search.valuesOf(tensor);
  for (const of of scaledOperands(search, tensor)) {
    const key = search.state.byName.get(of.key) as StateKey;
    // The first values of a key say no for most, unread.
    if (!of.view && niceFactor(target.subarray(0, key.print.head.length), key.print.head) === undefined) continue;
    const values = search.state.values(of.key);
    const factor = niceFactor(target, of.view ? readView(values, of.view) : values);
    const found = factor === undefined ? undefined : tried(search, tensor, { kind: 'scaled', of, factor });
    if (found) return found;
  }
  return undefined;
}

/** Rows of a key that have a tensor's size: position embeddings. */
function* rowsOf(search: Search, count: number): Generator<Operand> {
  for (const key of search.state.keys) {
    if (key.count % count !== 0) continue;
    if (key.count === count) yield operandOf(key);
    else if (key.dims.at(-1) === count) {
      for (let offset = 0; offset < key.count; offset += count)
        yield { ...operandOf(key), view: { dims: [count], strides: [1], offset } };
    }
  }
}

/** The sum of two weights: a class token and the first position embedding. */
export function findSum(search: Search, tensor: TemplateTensor): Explained | undefined {
  const target = search.valuesOf(tensor);
  const places = [...new Set([0, tensor.count >> 1, tensor.count - 1])];
  const rows = [...rowsOf(search, tensor.count)];
  for (const key of search.state.sized(tensor.count)) {
    if (key.print.uniform) continue;
    const own = search.state.values(key.key);
    const unit = 4 * UNIT[coarser(key.type, tensor.type)];
    for (const other of rows) {
      if (other.key === key.key) continue;
      const values = search.state.values(other.key);
      const offset = other.view?.offset ?? 0;
      const fits = places.every((i) => {
        const [a, b] = [own[i] as number, values[offset + i] as number];
        return Math.abs(a + b - (target[i] as number)) <= unit * (Math.abs(a) + Math.abs(b));
      });
      const found = fits ? tried(search, tensor, { kind: 'sum', terms: [operandOf(key), other] }) : undefined;
      if (found) return found;
    }
  }
  return undefined;
}

/** The bound of Swin V2's scales of logits, ln 100, and none. */
const BOUNDS = [Math.fround(Math.log(100)), Number.MAX_VALUE] as const;
/** Scales and temperatures, one a head. */
const MOST_EXPONENTS = 1024;

/** exp of a weight, bounded: learned scales of logits. */
export function findExponential(search: Search, tensor: TemplateTensor): Explained | undefined {
  if (tensor.count > MOST_EXPONENTS) return undefined;
  const first = search.valuesOf(tensor)[0] as number;
  return best(
    byName(tensor.name, search.state.sized(tensor.count)).flatMap((key) =>
      BOUNDS.filter(
        (most) => Math.abs(Math.exp(Math.min(key.print.head[0] as number, most)) - first) <= 8 * UNIT.float32 * first,
      ).map((most) => tried(search, tensor, { kind: 'exponential', of: operandOf(key), most })),
    ),
  );
}

/** Epsilons of standardised convolutions (timm: 1e-6; Big Transfer: 1e-8 and 1e-10; flax and Keras: 1e-5, 1e-4). */
const EPSILONS = [1e-6, 1e-8, 1e-5, 1e-10, 1e-4, 1e-3, 0] as const;

const ROWS = { axis: 0, groups: 1 } as const;
/** Of a filter's values as of a ratio: both were rounded once. */
const TOLERANCE = 2 ** -18;

interface Standardising {
  /** Slope of the target over the key, and the key's variance, for each filter. */
  readonly slopes: Float64Array;
  readonly variances: Float64Array;
}

/** Whether each filter of the target is a multiple of the key's filter less its mean. */
function standardising(target: Values, values: Values, dims: readonly number[]): Standardising | undefined {
  const count = dims[0] ?? 1;
  const [slopes, variances] = [new Float64Array(count), new Float64Array(count)];
  let fits = true;
  eachChannel(dims, ROWS, (c, start, end) => {
    if (!fits) return;
    const { mean, variance } = channelMoments(values, start, end);
    let [product, largest] = [0, 0];
    for (let i = start; i < end; i++) {
      product += (target[i] as number) * ((values[i] as number) - mean);
      largest = Math.max(largest, Math.abs(target[i] as number));
    }
    const slope = product / (variance * (end - start));
    slopes[c] = slope;
    variances[c] = variance;
    for (let i = start; fits && i < end; i++) {
      fits = Math.abs((target[i] as number) - slope * ((values[i] as number) - mean)) <= TOLERANCE * largest;
    }
  });
  return fits ? { slopes, variances } : undefined;
}

/** The number that all ratios are, within a tolerance. */
function commonRatio(ratios: readonly number[]): number | undefined {
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  return ratios.every((ratio) => Math.abs(ratio - mean) <= TOLERANCE * Math.abs(mean)) && mean !== 0 ? mean : undefined;
}

function* standardisedBy(search: Search, key: StateKey, { slopes, variances }: Standardising): Generator<Expression> {
  const gains = search.state.sized(slopes.length);
  for (const epsilon of EPSILONS) {
    const sizes = slopes.map((slope, c) => slope * Math.sqrt((variances[c] as number) + epsilon));
    for (const gain of [undefined, ...gains]) {
      const values = gain && search.state.values(gain.key);
      const factor = commonRatio(Array.from(sizes, (size, c) => size / (values?.[c] ?? 1)));
      if (factor === undefined) continue;
      const rounded = Math.abs(factor - 1) <= TOLERANCE ? 1 : factor;
      yield { kind: 'standardised', of: operandOf(key), factor: rounded, epsilon, ...(gain ? { gain: gain.key } : {}) };
    }
  }
}

/** A convolution's weight standardised filter by filter: (w − mean)/√(variance + ε), times a gain and a number. */
export function findStandardised(search: Search, tensor: TemplateTensor): Explained | undefined {
  if (tensor.dims.length < 3) return undefined;
  const target = search.valuesOf(tensor);
  for (const key of byName(tensor.name, search.state.sized(tensor.count))) {
    if (key.dims.length < 3 || key.print.uniform) continue;
    const found = standardising(target, search.state.values(key.key), key.dims);
    const explained =
      found && best([...standardisedBy(search, key, found)].map((expression) => tried(search, tensor, expression)));
    if (explained) return explained;
  }
  return undefined;
}
