import type { Values } from './values.ts';

/**
 * The order and rounding of s = γ/√(σ²+ε) and W·s. torch's exporters compute in float32: `divide` is that of torch.onnx.export since
 * 2.9 (onnxscript's numpy: γ / √(σ²+ε), the root correctly rounded), `reciprocal` multiplies by the rounded 1/√ (torch's rsqrt),
 * `weight first` is (W·γ)/√. `float64` rounds once, at the end.
 */
export const ARITHMETICS = ['divide', 'reciprocal', 'weight first', 'float64'] as const;
export type Arithmetic = (typeof ARITHMETICS)[number];

/** The order of the bias: (b − μ)·s + β, b·s + (β − μ·s), or (b·s + β) − μ·s. */
export const BIAS_FORMS = ['centre', 'apart', 'last'] as const;
export type BiasForm = (typeof BIAS_FORMS)[number];

/** The axis of a weight that holds its output channels; with groups (ConvTranspose) they lie in two axes. */
export interface Channels {
  readonly axis: 0 | 1;
  readonly groups: number;
}

const f = Math.fround;

/** The values of γ/√(σ²+ε); γ = 1 where there is none. */
export interface ScaleValues {
  readonly scale: Values | undefined;
  readonly variance: Values;
  readonly epsilon: number;
}

/** What a bias is made of beside the scale: μ, β (0 where there is none), and the convolution's own bias. */
export interface ShiftValues {
  readonly mean: Values;
  readonly shift: Values | undefined;
  readonly bias: Values | undefined;
}

/** s of every channel. */
export function foldedScale({ scale, variance, epsilon }: ScaleValues, arithmetic: Arithmetic): Float64Array {
  return Float64Array.from(variance, (own, c) => {
    const gamma = scale?.[c] ?? 1;
    if (arithmetic === 'float64') return gamma / Math.sqrt(own + epsilon);
    // A float64 root rounded to float32 is the correctly rounded one.
    const root = f(Math.sqrt(f(own + epsilon)));
    return arithmetic === 'reciprocal' ? f(gamma * f(1 / root)) : f(gamma / root);
  });
}

/** Output channel of every element of a weight, run by run: elements between two calls of `visit` share it. */
export function eachChannel(
  dims: readonly number[],
  { axis, groups }: Channels,
  visit: (channel: number, start: number, end: number) => void,
): void {
  const rows = dims[0] ?? 1;
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  if (axis === 0) {
    for (let c = 0; c < rows; c++) visit(c, c * inner, (c + 1) * inner);
    return;
  }
  const columns = dims[1] ?? 1;
  for (let row = 0; row < rows; row++) {
    const group = Math.floor((row * groups) / rows);
    for (let column = 0; column < columns; column++) {
      const start = (row * columns + column) * inner;
      visit(group * columns + column, start, start + inner);
    }
  }
}

// values[i]·scale of some elements: a loop for each class of array, as one that has met two is several times slower.
function scaleFrom32(out: Float32Array, values: Float32Array, scale: number, { start, end, at }: Stretch): void {
  for (let i = start, o = at; i < end; i++, o++) out[o] = (values[i] as number) * scale;
}

function scaleFrom64(out: Float32Array, values: Float64Array, scale: number, { start, end, at }: Stretch): void {
  for (let i = start, o = at; i < end; i++, o++) out[o] = (values[i] as number) * scale;
}

function scaleInto64(out: Float64Array, values: Values, scale: number, start: number, end: number): void {
  for (let i = start; i < end; i++) out[i] = (values[i] as number) * scale;
}

/** (values[i]·γ)/root of some elements, rounded twice. */
function weightFirst(
  out: Float32Array,
  values: Values,
  [gamma, root]: readonly [number, number],
  { start, end, at }: Stretch,
): void {
  for (let i = start, o = at; i < end; i++, o++) out[o] = f((values[i] as number) * gamma) / root;
}

/** γ and √(σ²+ε) in float32 of a channel. */
function rootOf({ scale, variance, epsilon }: ScaleValues, c: number): readonly [gamma: number, root: number] {
  return [scale?.[c] ?? 1, f(Math.sqrt(f((variance[c] as number) + epsilon)))];
}

/** Elements of one output channel: start to end of what is folded, which go to out[at], out[at + 1], … */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly at: number;
}

type ChannelFold = (channel: number, values: Values, stretch: Stretch, out: Float32Array) => void;

/** W·s of single channels, in an order of float32. */
function channelFold(norm: ScaleValues, arithmetic: Exclude<Arithmetic, 'float64'>): ChannelFold {
  if (arithmetic === 'weight first') {
    return (c, values, stretch, out) => weightFirst(out, values, rootOf(norm, c), stretch);
  }
  const scale = foldedScale(norm, arithmetic);
  return (c, values, stretch, out) => {
    const own = scale[c] as number;
    if (values instanceof Float32Array) scaleFrom32(out, values, own, stretch);
    else scaleFrom64(out, values, own, stretch);
  };
}

/** Folds a block of a weight that begins with its element `first`. */
export type BlockFold = (first: number, values: Values, out: Float32Array) => void;

/** W·s block by block, of a weight whose output channels are its first axis. @param inner elements of a channel */
export function blockFold(inner: number, norm: ScaleValues, arithmetic: Exclude<Arithmetic, 'float64'>): BlockFold {
  const fold = channelFold(norm, arithmetic);
  return (first, values, out) => {
    for (let start = 0; start < values.length; ) {
      const channel = Math.floor((first + start) / inner);
      const end = Math.min(values.length, (channel + 1) * inner - first);
      fold(channel, values, { start, end, at: start }, out);
      start = end;
    }
  };
}

/** W·s. @returns as many values, not yet rounded to the target's type where the arithmetic is float64 */
export function foldedWeight(
  weight: Values,
  dims: readonly number[],
  channels: Channels,
  norm: ScaleValues,
  arithmetic: Arithmetic,
): Values {
  if (arithmetic === 'float64') {
    const out = new Float64Array(weight.length);
    const scale = foldedScale(norm, arithmetic);
    eachChannel(dims, channels, (c, start, end) => scaleInto64(out, weight, scale[c] as number, start, end));
    return out;
  }
  const out = new Float32Array(weight.length);
  const fold = channelFold(norm, arithmetic);
  eachChannel(dims, channels, (c, start, end) => fold(c, weight, { start, end, at: start }, out));
  return out;
}

/** Elements of a weight that are folded to see whether an order of float32 may be the exporter's. */
const TRIED_ELEMENTS = 4096;

/** Whether an order of float32 gives the first elements of a folded weight: a wrong one mostly fails within some. */
export function startsAs(
  target: Values,
  weight: Values,
  dims: readonly number[],
  channels: Channels,
  norm: ScaleValues,
  arithmetic: Arithmetic,
): boolean {
  const rows = dims[0] ?? 1;
  const row = weight.length / rows;
  const some = Math.min(rows, Math.max(1, Math.floor(TRIED_ELEMENTS / row)));
  if (channels.axis !== 0 || arithmetic === 'float64') return true;
  const start = foldedWeight(weight.subarray(0, some * row), [some, ...dims.slice(1)], channels, norm, arithmetic);
  return start.every((value, i) => value === target[i]);
}

/** The bias of a folded layer. */
export function foldedBias(
  norm: ScaleValues,
  { mean, shift, bias }: ShiftValues,
  arithmetic: Arithmetic,
  form: BiasForm,
): Values {
  const scale = foldedScale(norm, arithmetic === 'weight first' ? 'divide' : arithmetic);
  const terms = (c: number): [b: number, mu: number, s: number, beta: number] => [
    bias?.[c] ?? 0,
    mean[c] as number,
    scale[c] as number,
    shift?.[c] ?? 0,
  ];
  if (arithmetic === 'float64') {
    return Float64Array.from(mean, (_, c) => {
      const [b, mu, s, beta] = terms(c);
      return beta + (b - mu) * s;
    });
  }
  return Float32Array.from(mean, (_, c) => {
    const [b, mu, s, beta] = terms(c);
    if (form === 'centre') return f(f(f(b - mu) * s) + beta);
    if (form === 'apart') return f(f(b * s) + f(beta - f(mu * s)));
    return f(f(f(b * s) + beta) - f(mu * s));
  });
}
