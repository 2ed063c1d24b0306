import type { NodeRecord } from '../../onnx/index.ts';
import { attributeOf } from '../../onnx/index.ts';
import { channelNorm, scaleValues } from './evaluate.ts';
import type { Expression, NormScale, NormShift } from './expression.ts';
import { operandOf } from './find-copies.ts';
import { everyNorm, findNorms, namedLayers, ratioTolerance, vectorsOf } from './find-norms.ts';
import { findPlainFold, headFits } from './find-plain-folds.ts';
import {
  ARITHMETICS,
  type Arithmetic,
  BIAS_FORMS,
  type Channels,
  eachChannel,
  foldedScale,
  type ScaleValues,
  startsAs,
} from './fold-arithmetic.ts';
import { best, byName, type Explained, moduleOf, type Search, tried } from './search.ts';
import { grouped, type StateKey } from './state-values.ts';
import type { TemplateTensor } from './template-tensors.ts';
import { coarser, type Values } from './values.ts';
import { reorderings, type View, writeView } from './view.ts';

type FoldedWeight = Expression & { readonly kind: 'folded weight' };

/** Operators whose weight a BatchNormalization is folded into, and the slot of their bias. */
const FOLDING: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul']);
const BIAS_SLOT = 2;

const folds = ({ node, slot }: { readonly node: NodeRecord; readonly slot: number }): boolean =>
  node.domain === '' && FOLDING.has(node.opType) && slot < BIAS_SLOT;

/** Output channels of a weight in the state dict's layout: [out, in, …], and [in, out/groups, …] of a transposed convolution. */
function channelsOf({ node }: { readonly node: NodeRecord }): Channels {
  return node.opType === 'ConvTranspose'
    ? { axis: 1, groups: Number(attributeOf(node, 'group')?.i ?? 1n) }
    : { axis: 0, groups: 1 };
}

const channelCount = (dims: readonly number[], { axis, groups }: Channels): number => (dims[axis] ?? 1) * groups;

/**
 * What multiplies each channel of one tensor to give the other, least squares in float64; NaN for a channel of zeros.
 * @returns undefined if some channel is no multiple
 */
function channelRatios(
  target: Values,
  source: Values,
  dims: readonly number[],
  channels: Channels,
  tolerance: number,
): Float64Array | undefined {
  const count = channelCount(dims, channels);
  const [products, squares] = [new Float64Array(count), new Float64Array(count)];
  eachChannel(dims, channels, (c, start, end) => {
    let [product, square] = [0, 0];
    for (let i = start; i < end; i++) {
      product += (target[i] as number) * (source[i] as number);
      square += (source[i] as number) ** 2;
    }
    products[c] = (products[c] as number) + product;
    squares[c] = (squares[c] as number) + square;
  });
  const ratios = products.map((product, c) => product / (squares[c] as number));
  let fits = true;
  eachChannel(dims, channels, (c, start, end) => {
    const ratio = Number.isNaN(ratios[c]) ? 0 : (ratios[c] as number);
    for (let i = start; fits && i < end; i++) {
      const wanted = target[i] as number;
      fits = Math.abs(wanted - ratio * (source[i] as number)) <= tolerance * Math.abs(wanted) + Number.MIN_VALUE;
    }
  });
  return fits ? ratios : undefined;
}

/** The target's values as they lie in the state dict, for each order that its keys may have. */
function* layouts(
  values: Values,
  source: readonly number[],
  target: readonly number[],
): Generator<{ view?: View; values: Values }> {
  yield { values };
  for (const view of reorderings(source, target)) {
    const own = values.slice();
    writeView(values, view, own);
    yield { view, values: own };
  }
}

/** Keys that are each channel's ratio times the norm of its weights: gains of weight normalisation. */
function gainsOf({ state }: Search, { key, dims }: StateKey, ratios: Float64Array, tolerance: number): string[] {
  if (ratios.length !== dims[0]) return [];
  const weight = state.values(key);
  const inner = weight.length / ratios.length;
  const gains = state.sized(ratios.length).filter((gain) => {
    const values = state.values(gain.key);
    return ratios.every((ratio, c) => {
      const own = (values[c] as number) / channelNorm(weight, c * inner, (c + 1) * inner);
      return Number.isNaN(ratio) || Math.abs(own - ratio) <= tolerance * Math.abs(ratio);
    });
  });
  return gains.map((gain) => gain.key);
}

function weightOf(search: Search, tensor: TemplateTensor, channels: Channels): Explained | undefined {
  const target = search.valuesOf(tensor);
  const keys = byName(tensor.name, search.state.sized(tensor.count)).filter(({ dims }) => dims.length > 1);
  for (const [, group] of grouped(keys, ({ dims }) => dims.join())) {
    const [{ dims }] = group as [StateKey];
    for (const { view, values } of layouts(target, dims, tensor.dims)) {
      for (const key of group) {
        const exactType = coarser(key.type, tensor.type);
        const tolerance = ratioTolerance(exactType);
        if (!headFits(values, key, channels, tolerance)) continue;
        const weight = search.state.values(key.key);
        const ratios = channelRatios(values, weight, dims, channels, tolerance);
        if (!ratios) continue;
        const of = view ? { ...operandOf(key), view } : operandOf(key);
        const found = best([
          ...gainsOf(search, key, ratios, tolerance).map((gain) =>
            tried(search, tensor, { kind: 'normalised', of, gain }),
          ),
          ...findNorms(search, ratios, tolerance).map((norm) =>
            computed((arithmetic) =>
              exactType !== 'float32' || startsAs(values, weight, dims, channels, scaleOf(search, norm), arithmetic)
                ? tried(search, tensor, { kind: 'folded weight', of, channels, norm, arithmetic })
                : undefined,
            ),
          ),
        ]);
        // Weights and norms that reproduce a whole tensor are no coincidence, to the bit or not.
        if (found) return found;
      }
    }
  }
  return undefined;
}

/** The first arithmetic that gives equal bits, else that of float64, rounded once. */
function computed(by: (arithmetic: Arithmetic) => Explained | undefined): Explained | undefined {
  let found: Explained | undefined;
  for (const arithmetic of ARITHMETICS) {
    found = by(arithmetic);
    if (found?.proof.exact) break;
  }
  return found;
}

/** W·γ/√(σ²+ε): a weight with the BatchNormalization behind it folded into it. */
export function findFoldedWeight(search: Search, tensor: TemplateTensor): Explained | undefined {
  const reader = tensor.readers.find(folds);
  if (!reader || tensor.count < 2) return undefined;
  const channels = channelsOf(reader);
  return findPlainFold(search, tensor, channels) ?? weightOf(search, tensor, channels);
}

/** The scales and shifts of named layers, which frozen layers leave in a graph by themselves. */
export function findFoldedScale(search: Search, tensor: TemplateTensor): Explained | undefined {
  const target = search.valuesOf(tensor);
  const tolerance = ratioTolerance(tensor.type);
  for (const { layer, norm } of everyNorm(search, tensor.count)) {
    const s = firstScale(search, norm);
    const near = (value: number, size: number): boolean => Math.abs(value - (target[0] as number)) <= tolerance * size;
    const found = near(s, Math.abs(s))
      ? computed((arithmetic) => tried(search, tensor, { kind: 'folded scale', norm, arithmetic }))
      : undefined;
    if (found) return found;
    const { values } = search.state;
    const beta = layer.shift === undefined ? 0 : (values(layer.shift)[0] as number);
    const offset = (values(layer.mean)[0] as number) * s;
    if (!near(beta - offset, Math.abs(beta) + Math.abs(offset))) continue;
    const bias = biasOf(search, tensor, norm, shiftOf(layer.mean, layer.shift, undefined));
    if (bias) return bias;
  }
  return undefined;
}

const scaleOf = ({ state }: Search, norm: NormScale): ScaleValues => scaleValues(state.values, norm);

function firstScale({ state: { values } }: Search, { scale, variance, epsilon }: NormScale): number {
  return (
    (scale === undefined ? 1 : (values(scale)[0] as number)) / Math.sqrt((values(variance)[0] as number) + epsilon)
  );
}

const shiftOf = (mean: string, shift: string | undefined, bias: string | undefined): NormShift => ({
  mean,
  ...(shift === undefined ? {} : { shift }),
  ...(bias === undefined ? {} : { bias }),
});

function biasOf(search: Search, tensor: TemplateTensor, norm: NormScale, shift: NormShift): Explained | undefined {
  return computed((arithmetic) => {
    const forms = arithmetic === 'float64' || shift.bias === undefined ? (['centre'] as const) : BIAS_FORMS;
    return best(forms.map((form) => tried(search, tensor, { kind: 'folded bias', norm, shift, arithmetic, form })));
  });
}

/** Shifts whose first channel fits: the layer's own first, with no bias and the weight's own, then any. */
function* shiftCandidates(search: Search, tensor: TemplateTensor, { norm, of }: FoldedWeight): Generator<NormShift> {
  const { values, byName: known } = search.state;
  const own = namedLayers(search, tensor.count).find(({ variance }) => variance === norm.variance);
  const beside = `${moduleOf(of.key)}bias`;
  const bias = known.get(beside)?.count === tensor.count ? beside : undefined;
  const biases = bias === undefined ? [undefined] : [bias, undefined];
  if (own) for (const one of biases) yield shiftOf(own.mean, own.shift, one);
  const vectors = vectorsOf(search, tensor.count).map(({ key }) => key);
  const s = foldedScale(scaleOf(search, norm), 'float64');
  const target = search.valuesOf(tensor);
  const tolerance = ratioTolerance(tensor.type);
  const at = (key: string | undefined, c: number): number => (key === undefined ? 0 : (values(key)[c] as number));
  const channels = [...new Set([0, 1, tensor.count >> 1, tensor.count - 1])].filter((c) => c < tensor.count);
  const fits = (shift: NormShift): boolean =>
    channels.every((c) => {
      const terms = [at(shift.shift, c), at(shift.bias, c) * (s[c] as number), -at(shift.mean, c) * (s[c] as number)];
      const size = terms.reduce((sum, term) => sum + Math.abs(term), 0);
      return Math.abs(terms.reduce((sum, term) => sum + term, 0) - (target[c] as number)) <= tolerance * size;
    });
  for (const mean of vectors) {
    for (const shift of [...vectors, undefined]) {
      for (const one of own ? [...vectors, undefined] : biases) {
        // With a layer that names hold together only the convolution's bias may be anywhere.
        const candidate = shiftOf(mean, shift, one);
        if (own && (mean !== own.mean || shift !== own.shift)) continue;
        if (fits(candidate)) yield candidate;
      }
    }
  }
}

/** β + (b − μ)·γ/√(σ²+ε): the bias beside a folded weight. */
export function findFoldedBias(search: Search, tensor: TemplateTensor): Explained | undefined {
  for (const { node, slot } of tensor.readers) {
    if (slot !== BIAS_SLOT || !FOLDING.has(node.opType)) continue;
    const weight = search.stored(node, 1);
    const expression = weight && search.found.get(weight)?.expression;
    if (expression?.kind !== 'folded weight') continue;
    for (const shift of shiftCandidates(search, tensor, expression)) {
      const found = biasOf(search, tensor, expression.norm, shift);
      if (found) return found;
    }
  }
  return undefined;
}
