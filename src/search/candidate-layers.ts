import {
  type BatchNormLayer,
  type ChosenLayers,
  chooseLayers,
  type FoldableLayer,
  findLayers,
  foldedBytes,
  type MeasuredLayer,
  type StateReader,
} from '../batchnorm/index.ts';
import { TemperError } from '../core/index.ts';
import { encodeFloats, type TensorRecord } from '../onnx/index.ts';
import { keysOf, type StateMap } from '../snapshots/index.ts';
import { type CandidateModel, type PreparedModel, valuesAt } from './prepared-model.ts';

/** The layers of candidates that get statistics of their own: those that the graph keeps, and those that a map says were folded. */
export type CandidateLayers = Pick<ChosenLayers, 'kept' | 'folded'>;

export const layerCount = ({ kept, folded }: CandidateLayers): number => kept.length + folded.length;

interface Stored {
  readonly tensor: TensorRecord;
  readonly exclusive: boolean;
  readonly dataType: number;
}

/** A layer's two tensors among the stored ones: mean and variance, or weight and bias. */
type Slots = readonly [first: number, second: number];

/** @throws TemperError UNSUPPORTED_GRAPH where a layer shares its tensors with another use */
function slotsOf(
  places: ReadonlyMap<TensorRecord, number>,
  name: string,
  what: string,
  tensors: readonly [Stored, Stored],
): Slots {
  const [first, second] = tensors.map(({ tensor, exclusive, dataType }) =>
    exclusive && dataType === tensor.dataType ? places.get(tensor) : undefined,
  );
  if (first !== undefined && second !== undefined) return [first, second];
  throw new TemperError(
    'UNSUPPORTED_GRAPH',
    `${name}: its ${what} are shared with another use, and cannot be replaced in place`,
    { hint: 'Search with `bn` average, and recalibrate the result with bn-recal.', details: { layer: name } },
  );
}

const placesOf = ({ records }: PreparedModel): ReadonlyMap<TensorRecord, number> =>
  new Map(records.map((record, slot) => [record, slot]));

const keptSlots = (places: ReadonlyMap<TensorRecord, number>, { name, mean, variance }: BatchNormLayer): Slots =>
  slotsOf(places, name, 'statistics', [mean, variance]);

const foldedSlots = (places: ReadonlyMap<TensorRecord, number>, { name, weight, bias }: FoldableLayer): Slots =>
  slotsOf(places, name, 'weight and bias', [weight, bias as Stored]);

/** The stored tensors that statistics change. @throws TemperError UNSUPPORTED_GRAPH where others use them too */
export function layerSlots(prepared: PreparedModel, { kept, folded }: CandidateLayers): number[] {
  const places = placesOf(prepared);
  return [
    ...kept.flatMap((layer) => keptSlots(places, layer)),
    ...folded.flatMap((layer) => foldedSlots(places, layer)),
  ];
}

/** The keys of the state dict that folded layers are made of. */
export const foldedKeys = ({ folded }: CandidateLayers): ReadonlySet<string> =>
  new Set(
    folded.flatMap(({ fold }) => (fold ? [fold.weight, fold.bias] : []).flatMap((one) => keysOf(one.expression))),
  );

/**
 * The layers that can be recalibrated in memory.
 * @param map of a template that training checkpoints go into
 * @throws TemperError UNSUPPORTED_GRAPH if there is none, or one cannot be written to
 */
export function findCandidateLayers(
  prepared: PreparedModel,
  path: string,
  map: StateMap | undefined,
  note: (text: string) => void,
): CandidateLayers {
  const model = { ...prepared.model, path };
  const { skipped, ...layers } = map ? chooseLayers(model, [], map) : withoutFolds(findLayers(model));
  for (const { name, reason } of skipped) note(`${name} is left as it is: ${reason}`);
  layerSlots(prepared, layers);
  return layers;
}

const withoutFolds = ({ layers: kept, skipped }: ReturnType<typeof findLayers>) => ({ kept, folded: [], skipped });

/**
 * Gives a candidate statistics that were measured: those of kept layers as they are, the others folded in.
 * @param state what the candidate's state dict holds, for layers that were folded
 * @returns a copy
 */
export function withMeasured<C extends CandidateModel>(
  prepared: PreparedModel,
  candidate: C,
  measured: readonly MeasuredLayer[],
  state: StateReader | undefined,
): C {
  const patched = prepared.places.some((place) => place.in === 'graph');
  const copy = {
    ...candidate,
    graph: patched ? candidate.graph.slice() : candidate.graph,
    weights: candidate.weights.slice(),
  };
  const places = placesOf(prepared);
  const put = (slots: Slots, values: readonly [Uint8Array, Uint8Array]): void => {
    for (const [k, bytes] of values.entries()) valuesAt(prepared, copy, slots[k] as number).set(bytes);
  };
  for (const { layer, statistics } of measured) {
    const { folded, source = layer } = layer;
    if (folded?.fold && state) {
      const { weight, bias } = foldedBytes(prepared.model, folded, folded.fold, state, statistics);
      put(foldedSlots(places, folded), [weight, bias]);
      continue;
    }
    const { name, mean, variance } = source;
    put(keptSlots(places, source), [
      encodeFloats(statistics.mean, mean.dataType, name),
      encodeFloats(statistics.variance, variance.dataType, name),
    ]);
  }
  return copy;
}
