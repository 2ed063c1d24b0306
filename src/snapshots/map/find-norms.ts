import type { NormScale } from './expression.ts';
import { moduleOf, type Search } from './search.ts';
import type { StateKey, StateValues } from './state-values.ts';
import { UNIT, type Values } from './values.ts';

/** Epsilons of the frameworks' layers (torch 1e-5, TensorFlow and Keras 1e-3, others); a folded graph does not say which. */
const EPSILONS = [1e-5, 1e-3, 1e-6, 1e-4, 1e-2, 1e-8, 2e-5, 1e-7, 1e-12, 0] as const;

/** What the values of a layer may be called; the names order the search, the values decide. */
const VARIANCES = /(^|\.)(running_var|moving_variance|moving_var|variance|var)$/;
const PARTS = {
  mean: ['running_mean', 'moving_mean', 'mean'],
  scale: ['weight', 'gamma', 'scale'],
  shift: ['bias', 'beta', 'offset'],
} as const;

/** Vectors that one module holds, by what their names say. */
export interface NamedLayer {
  readonly scale?: string;
  readonly shift?: string;
  readonly mean: string;
  readonly variance: string;
}

export const vectorsOf = ({ state }: Search, channels: number): readonly StateKey[] =>
  state.sized(channels).filter(({ dims }) => dims.length === 1);

const known = new WeakMap<StateValues, Map<number, NamedLayers>>();

/** Layers, and each with every usual epsilon. */
interface NamedLayers {
  readonly layers: readonly NamedLayer[];
  readonly norms: readonly NormScale[];
}

/** Layers of so many channels that names hold together, found once. */
function layersOf(search: Search, channels: number): NamedLayers {
  const bySize = known.get(search.state) ?? new Map<number, NamedLayers>();
  known.set(search.state, bySize);
  const found = bySize.get(channels);
  if (found) return found;
  const layers = findLayers(search, channels);
  const made = { layers, norms: layers.flatMap((layer) => EPSILONS.map((epsilon) => scaleOf(layer, epsilon))) };
  bySize.set(channels, made);
  return made;
}

export const namedLayers = (search: Search, channels: number): readonly NamedLayer[] =>
  layersOf(search, channels).layers;

/** Layers whose vectors of so many channels stand in one module. */
function findLayers(search: Search, channels: number): NamedLayer[] {
  const vectors = vectorsOf(search, channels);
  const present = new Set(vectors.map(({ key }) => key));
  return vectors.flatMap(({ key }): NamedLayer[] => {
    if (!VARIANCES.test(key)) return [];
    const module = moduleOf(key);
    const part = (names: readonly string[]): string | undefined =>
      names.map((name) => module + name).find((name) => present.has(name));
    const [mean, scale, shift] = [part(PARTS.mean), part(PARTS.scale), part(PARTS.shift)];
    if (mean === undefined) return [];
    return [
      { variance: key, mean, ...(scale === undefined ? {} : { scale }), ...(shift === undefined ? {} : { shift }) },
    ];
  });
}

/** Tolerance of a ratio that was measured on rounded numbers, in units of their type. */
const RATIO_UNITS = 32;

/** How far a ratio of numbers of these types may be from the true one. */
export const ratioTolerance = (type: keyof typeof UNIT): number => RATIO_UNITS * UNIT[type];

interface Candidate {
  readonly norm: NormScale;
  /** Largest relative difference between γ/√(σ²+ε) and what it should be. */
  readonly worst: number;
}

/** Those that are within the tolerance in every channel whose ratio is known. */
function allWithin(search: Search, norms: Iterable<NormScale>, ratios: Float64Array, tolerance: number): Candidate[] {
  const candidates: Candidate[] = [];
  for (const norm of norms) {
    const candidate = compared(search, norm, ratios, tolerance);
    if (candidate) candidates.push(candidate);
  }
  return candidates;
}

function compared(
  { state: { values } }: Search,
  norm: NormScale,
  ratios: Float64Array,
  tolerance: number,
): Candidate | undefined {
  const [variance, scale] = [values(norm.variance), norm.scale === undefined ? undefined : values(norm.scale)];
  let worst = 0;
  for (let c = 0; c < ratios.length; c++) {
    const wanted = ratios[c] as number;
    if (Number.isNaN(wanted)) continue;
    const error = Math.abs((scale?.[c] ?? 1) / Math.sqrt((variance[c] as number) + norm.epsilon) - wanted);
    if (!(error <= tolerance * Math.abs(wanted) + Number.MIN_VALUE)) return undefined;
    if (wanted !== 0) worst = Math.max(worst, error / Math.abs(wanted));
  }
  return { norm, worst };
}

const scaleOf = ({ scale, variance }: Pick<NamedLayer, 'scale' | 'variance'>, epsilon: number): NormScale =>
  scale === undefined ? { variance, epsilon } : { scale, variance, epsilon };

/** The epsilon that values themselves give, to two digits, where it is none of the usual ones. */
function measuredEpsilon(ratios: Float64Array, scale: Values | undefined, variance: Values): number | undefined {
  const found = Array.from(ratios, (ratio, c) => ((scale?.[c] ?? 1) / ratio) ** 2 - (variance[c] as number)).filter(
    Number.isFinite,
  );
  const middle = found.toSorted((a, b) => a - b)[found.length >> 1];
  return middle !== undefined && middle > 0 ? Number(middle.toPrecision(2)) : undefined;
}

/** Pairs of vectors that no name holds together, found through the variance that the first known channel asks for. */
function* anyLayers(search: Search, ratios: Float64Array, tolerance: number): Generator<NormScale> {
  const { values } = search.state;
  const first = ratios.findIndex((ratio) => Number.isFinite(ratio) && ratio !== 0);
  if (first < 0) return;
  const vectors = vectorsOf(search, ratios.length);
  const at = (key: string): number => values(key)[first] as number;
  const sorted = vectors.map(({ key }) => ({ key, value: at(key) })).sort((a, b) => a.value - b.value);
  for (const scale of [...vectors.map(({ key }) => key), undefined]) {
    for (const epsilon of EPSILONS) {
      const wanted = ((scale === undefined ? 1 : at(scale)) / (ratios[first] as number)) ** 2;
      const slack = 4 * tolerance * wanted;
      let [low, high] = [0, sorted.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((sorted[middle]?.value as number) < wanted - epsilon - slack) low = middle + 1;
        else high = middle;
      }
      for (let i = low; i < sorted.length && (sorted[i]?.value as number) <= wanted - epsilon + slack; i++) {
        const variance = sorted[i]?.key as string;
        if (variance !== scale) yield scaleOf(scale === undefined ? { variance } : { scale, variance }, epsilon);
      }
    }
  }
}

/** The layers whose γ/√(σ²+ε) is a scale that was measured, the nearest first. @param ratios of every channel, NaN where unknown */
export function findNorms(search: Search, ratios: Float64Array, tolerance: number): NormScale[] {
  const { values } = search.state;
  const { layers, norms } = layersOf(search, ratios.length);
  const nearest = (norms: Iterable<NormScale>): NormScale[] =>
    allWithin(search, norms, ratios, tolerance)
      .sort((a, b) => a.worst - b.worst)
      .map(({ norm }) => norm);
  const named = nearest(norms);
  if (named.length > 0) return named;
  const unusual = nearest(
    layers.flatMap((layer) => {
      const epsilon = measuredEpsilon(
        ratios,
        layer.scale === undefined ? undefined : values(layer.scale),
        values(layer.variance),
      );
      return epsilon === undefined ? [] : [scaleOf(layer, epsilon)];
    }),
  );
  return unusual.length > 0 ? unusual : nearest(anyLayers(search, ratios, tolerance));
}

/** Every layer of so many channels that names hold together, with each usual epsilon. */
export function* everyNorm(
  search: Search,
  channels: number,
): Generator<{ readonly layer: NamedLayer; readonly norm: NormScale }> {
  for (const layer of namedLayers(search, channels))
    for (const epsilon of EPSILONS) yield { layer, norm: scaleOf(layer, epsilon) };
}
