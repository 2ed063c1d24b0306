import { elementCount } from '../../onnx/index.ts';
import type { Expression, MapEntry, StateMap } from '../../snapshots/index.ts';
import { type ConsideredLayer, type FoldedLayers, nameOnce } from '../folded/find-folded.ts';
import type { FoldableLayer } from '../folded/foldable-layer.ts';
import type { SkippedLayer } from '../layers-in-file.ts';
import type { EntryOf, KnownFold } from './known-fold.ts';

const isKind = <K extends Expression['kind']>(entry: MapEntry | undefined, kind: K): entry is EntryOf<K> =>
  entry?.expression.kind === kind;

/** The module of the state dict that a BatchNormalization is: `layer1.bn1` of `layer1.bn1.running_var`. */
const moduleOf = ({ expression: { norm } }: KnownFold['bias']): string =>
  /^(.+)\.[^.]+$/s.exec(norm.variance)?.[1] ?? norm.variance;

function foldOf(
  { weight, bias, channels, biasGain }: FoldableLayer,
  entries: ReadonlyMap<string, MapEntry>,
): KnownFold | undefined {
  if (!bias || weight.codes || biasGain !== 1 || elementCount(bias.tensor.dims) !== channels) return undefined;
  const [w, b] = [entries.get(weight.name), entries.get(bias.name)];
  if (!isKind(b, 'folded bias') || !(isKind(w, 'folded weight') || isKind(w, 'folded scale'))) return undefined;
  const [own, other] = [w.expression.norm, b.expression.norm];
  const isSame = own.variance === other.variance && own.scale === other.scale && own.epsilon === other.epsilon;
  return isSame ? { weight: w, bias: b } : undefined;
}

/**
 * The layers of a template that a BatchNormalization was folded into, as the map proves it: nothing is taken by its looks. They are
 * called by the module that was folded in.
 */
export function foldsOfMap(
  { considered, norms }: FoldedLayers,
  { entries }: StateMap,
): FoldedLayers & { readonly skipped: readonly SkippedLayer[] } {
  const byName = new Map(entries.map((entry) => [entry.tensor.name, entry]));
  const known = considered.map((one): ConsideredLayer => {
    const fold = one.layer && foldOf(one.layer, byName);
    if (!one.layer || !fold) {
      const reason = 'no BatchNormalization was folded into it, by the map of the template';
      return { ...one, verdict: 'impossible', reason, layer: undefined };
    }
    const name = moduleOf(fold.bias);
    const reason = 'it was folded in, by the map of the template';
    return { ...one, name, verdict: 'candidate', reason, layer: { ...one.layer, name, fold } };
  });
  const found = new Set(known.flatMap(({ layer }) => layer?.fold?.bias.tensor.name ?? []));
  const left = entries.filter((entry) => isKind(entry, 'folded bias') && !found.has(entry.tensor.name));
  return {
    considered: nameOnce(known),
    norms,
    skipped: left.map((entry) => ({
      name: moduleOf(entry as KnownFold['bias']),
      reason: `it was folded into what reads ${entry.tensor.name}, whose output cannot be measured`,
    })),
  };
}
