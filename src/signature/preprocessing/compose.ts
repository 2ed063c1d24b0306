import type { Color } from '../../data/index.ts';
import type { GraphInput } from './graph-input.ts';

/** What is done to pixels from 0 to 1 before a network is fed: (u - mean) / std, red first. */
export interface Normalisation {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Numbers of float32 constants are known to so much. */
const TOLERANCE = 2e-5;
const isNear = (value: number, to: number, scale = Math.max(1e-3, Math.abs(to))): boolean =>
  Math.abs(value - to) <= TOLERANCE * scale;

/** Pixels as they are, from 0 to 1 or from 0 to 255; undefined for a normalisation that changes them. */
function rawScale({ mean, std }: Normalisation): 1 | 255 | undefined {
  if (!mean.every((value) => isNear(value, 0, 1))) return undefined;
  if (std.every((value) => isNear(value, 1))) return 1;
  return std.every((value) => isNear(value, 1 / 255, 1 / 255)) ? 255 : undefined;
}

const raw = (scale: 1 | 255, channels: number): Normalisation => ({
  mean: new Array<number>(channels).fill(0),
  std: new Array<number>(channels).fill(scale === 1 ? 1 : 1 / 255),
});

const plain = (value: number): number => Number(value.toPrecision(9)) + 0;

/** The graph's part by colour: its channels are in the order of the input. */
function byColor({ scale, shift }: GraphInput, color: Color): { scale: number[]; shift: number[] } | undefined {
  if (!scale || !shift) return undefined;
  return color === 'bgr'
    ? { scale: scale.toReversed(), shift: shift.toReversed() }
    : { scale: [...scale], shift: [...shift] };
}

/**
 * What is left to do before a graph that normalises by itself: f with graph(f(u)) = whole(u). Where the whole leaves pixels as they
 * are, it is what the graph is fed, unless the graph undoes a scale of 255.
 */
export function composed(whole: Normalisation, graph: GraphInput | undefined, color: Color): Normalisation {
  const part = graph && byColor(graph, color);
  if (!part) return whole;
  const channels = Math.max(whole.mean.length, whole.std.length, part.scale.length);
  const at = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c] as number;
  const all = Array.from({ length: channels }, (_, c) => {
    const [m, s, a, b] = [at(whole.mean, c), at(whole.std, c), at(part.scale, c), at(part.shift, c)];
    return { mean: m + b * s, std: a * s };
  });
  const left = { mean: all.map(({ mean }) => plain(mean)), std: all.map(({ std }) => plain(std)) };
  const scale = rawScale(left);
  if (scale !== undefined) return raw(scale, channels);
  return rawScale(whole) === undefined && left.std.every((value) => value > 0) ? left : whole;
}

/**
 * Where nothing else is known: pixels as they are, from 0 to 255 if the graph's constants are of such, else from 0 to 1.
 * @returns undefined where the constants tell neither
 */
export function fedByConstants({ scale, shift }: GraphInput): Normalisation | undefined {
  if (!scale || !shift) return undefined;
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + Math.abs(b), 0) / values.length;
  const [a, b] = [mean(scale), mean(shift)];
  if (a < 0.5 / 255 || a > 1000) return undefined;
  // Divided by some tens, or a mean of some tens taken off: pixels to 255.
  const of255 = a < 0.2 || (a < 20 && b > 10);
  return raw(of255 ? 255 : 1, scale.length);
}
