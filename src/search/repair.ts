import type { Row } from '../average/index.ts';
import {
  averagedGoals,
  type ChosenLayers,
  type CollectOptions,
  corrected,
  correctionOf,
  type FoldableLayer,
  findFolded,
  goalsHash,
  layersLike,
  type NumberedBatch,
  outputMoments,
  recalibrateByBatch,
  type Statistics,
  unfold,
} from '../batchnorm/index.ts';
import { TemperError } from '../core/index.ts';
import { decodeFloats, elementCount, encodeFloats, type Model, type TensorRecord } from '../onnx/index.ts';
import type { NamedCandidate } from './evaluator.ts';
import { modelOf, type PreparedModel, valuesAt } from './prepared-model.ts';
import type { Replay } from './replay.ts';

export interface RepairOptions extends Pick<CollectOptions, 'device' | 'threads'> {
  readonly prepared: PreparedModel;
  /** What messages call the network. */
  readonly path: string;
  /** An ingredient, by its place in the plan. */
  readonly snapshot: (i: number) => Promise<Model>;
  readonly images: Replay<NumberedBatch>;
  readonly signal: AbortSignal;
}

/**
 * The layers of prepared snapshots that a BatchNormalization can have been folded into: candidates of bn-recal whose weight and bias
 * are averaged floats of their own. Layers that had none by name count too: any network of convolutions can be repaired.
 */
export function repairableLayers(
  { model, records }: PreparedModel,
  verdicts: readonly string[] = ['candidate'],
): Pick<ChosenLayers, 'folded'> & { readonly kept: readonly never[] } {
  const averaged = new Set(records);
  const folded = findFolded(model).considered.flatMap(({ layer, verdict }): FoldableLayer[] => {
    if (!layer?.bias || !verdicts.includes(verdict)) return [];
    const { weight, bias, channels } = layer;
    const own = [weight, bias].every(({ tensor, exclusive, codes }) => exclusive && !codes && averaged.has(tensor));
    return own && elementCount(bias.tensor.dims) === channels ? [layer] : [];
  });
  return { kept: [], folded };
}

/** Where a convolution's weight and bias lie among the stored tensors. */
interface Slots {
  readonly weight: number;
  readonly bias: number;
}

/**
 * REPAIR (Jordan et al. 2023, arXiv 2211.08403): averaged weights of networks whose BatchNormalization was folded away give
 * activations that vary too little, layer after layer. Each channel of each convolution gets back mean and standard
 * deviation of the ingredients, averaged like their weights: μ = Σ wᵢ μᵢ, σ = Σ wᵢ σᵢ (§3, eq. 3 and 4). Measured in one pass
 * with a BatchNormalization behind each convolution, so that later layers see repaired ones before them, and folded in again.
 */
export class Repairer {
  private readonly options: RepairOptions;
  private readonly layers: readonly FoldableLayer[];
  private readonly slots: readonly Slots[];
  private readonly known = new Map<number, readonly Statistics[]>();

  /** @throws TemperError UNSUPPORTED_GRAPH where there is nothing to repair */
  constructor(options: RepairOptions) {
    const { prepared } = options;
    const places = new Map(prepared.records.map((record, slot) => [record, slot]));
    this.options = options;
    this.layers = repairableLayers(prepared, ['candidate', 'doubtful']).folded;
    this.slots = this.layers.map(({ weight, bias }) => ({
      weight: places.get(weight.tensor) as number,
      bias: places.get(bias?.tensor as TensorRecord) as number,
    }));
    if (this.layers.length > 0) return;
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${options.path}: no convolution that BatchNormalization was folded into`,
      {
        hint: 'Networks that keep their layers are recalibrated: `bn` recalibrate.',
      },
    );
  }

  /** Names of the convolutions. */
  get names(): readonly string[] {
    return this.layers.map(({ name }) => name);
  }

  /** The stored tensors that a repair changes. */
  get changed(): readonly number[] {
    return this.slots.flatMap(({ weight, bias }) => [weight, bias]);
  }

  private collecting(): CollectOptions {
    const { device, threads, images, signal } = this.options;
    return {
      device,
      threads,
      async *batches() {
        for await (const batch of images.pass()) {
          signal.throwIfAborted();
          yield batch;
        }
      },
    };
  }

  /** Mean and variance of every convolution's output in a snapshot, as it is: measured once. */
  private async ofSnapshot(i: number): Promise<readonly Statistics[]> {
    const known = this.known.get(i);
    if (known) return known;
    const snapshot = await this.options.snapshot(i);
    const own = layersLike(this.options.prepared.model, this.layers, snapshot);
    const { goals: measured } = await outputMoments(snapshot, own, this.collecting());
    this.known.set(i, measured);
    return measured;
  }

  /** What a row's channels should be like. */
  private async goals({ coefficients, divisor }: Row): Promise<readonly Statistics[]> {
    const parts: { goals: readonly Statistics[]; weight: number }[] = [];
    for (const [i, coefficient] of coefficients.entries())
      if (coefficient !== 0) parts.push({ goals: await this.ofSnapshot(i), weight: coefficient / divisor });
    return averagedGoals(parts);
  }

  /** Tells results with other goals apart. */
  async goalsHash(row: Row): Promise<string> {
    return goalsHash(await this.goals(row));
  }

  /**
   * The candidate with repaired convolutions: with m and v measured and a = σ / √v, W' = a W and b' = a (b - m) + μ (correctionOf of
   * bn-recal). A channel that does not vary keeps its scale.
   *
   * Memory: two copies of the weights.
   * @throws TemperError EXECUTION_*, NUMERIC_*
   */
  async repair(candidate: NamedCandidate, row: Row): Promise<NamedCandidate> {
    // A snapshot is as it should be.
    if (row.coefficients.filter((coefficient) => coefficient !== 0).length === 1) return candidate;
    const { prepared } = this.options;
    const goals = await this.goals(row);
    const measuredModel = modelOf(prepared, candidate, candidate.name);
    const { model, layers } = unfold(measuredModel, { kept: [], folded: this.layers }, goals);
    const { measured } = await recalibrateByBatch(model, layers, 'population', this.collecting());
    const found = new Map(measured.map(({ layer, statistics }) => [layer.folded, statistics]));
    const copy = { name: candidate.name, graph: candidate.graph.slice(), weights: candidate.weights.slice() };
    for (const [k, layer] of this.layers.entries()) {
      const { name } = layer;
      const slots = this.slots[k] as Slots;
      const correction = correctionOf(goals[k] as Statistics, found.get(layer) as Statistics);
      const [weight, bias] = [slots.weight, slots.bias].map((slot) => valuesAt(prepared, copy, slot)) as [
        Uint8Array,
        Uint8Array,
      ];
      const types = [layer.weight.tensor.dataType, layer.bias?.tensor.dataType as number] as const;
      const made = corrected(
        layer,
        { weight: decodeFloats(weight.slice(), types[0], name), bias: decodeFloats(bias.slice(), types[1], name) },
        correction,
      );
      weight.set(encodeFloats(made.weight, types[0], name));
      bias.set(encodeFloats(made.bias, types[1], name));
    }
    return copy;
  }
}
