import { createHash } from 'node:crypto';
import type { Row } from '../average/index.ts';
import {
  type CollectOptions,
  collectMoments,
  layerFolds,
  type NumberedBatch,
  recalibrateByBatch,
  type Statistics,
} from '../batchnorm/index.ts';
import { TemperError } from '../core/index.ts';
import { decodeFloats, encodeFloats, type Model } from '../onnx/index.ts';
import type { NamedCandidate } from './evaluator.ts';
import {
  type ChannelGoals,
  EPSILON,
  type FoldedConvolution,
  foldedConvolutions,
  withNorms,
} from './folded-convolutions.ts';
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
  private readonly convolutions: readonly FoldedConvolution[];
  private readonly slots: readonly Slots[];
  private readonly known = new Map<number, readonly Statistics[]>();

  /** @throws TemperError UNSUPPORTED_GRAPH where there is nothing to repair */
  constructor(options: RepairOptions) {
    const { prepared } = options;
    const places = new Map(prepared.records.map((record, slot) => [record, slot]));
    this.options = options;
    this.convolutions = foldedConvolutions(prepared.model).filter(
      ({ weight, bias }) => places.has(weight) && places.has(bias),
    );
    this.slots = this.convolutions.map(({ weight, bias }) => ({
      weight: places.get(weight) as number,
      bias: places.get(bias) as number,
    }));
    if (this.convolutions.length > 0) return;
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
    return this.convolutions.map(({ name }) => name);
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
    const own = foldedConvolutions(snapshot);
    const same = this.convolutions.every(({ channels }, k) => own[k]?.channels === channels);
    if (own.length !== this.convolutions.length || !same) {
      throw new TemperError('MISMATCH_GRAPH', `${snapshot.path}: its convolutions are not in the order of the others`, {
        hint: 'Export the snapshots with the same settings.',
        details: { path: snapshot.path },
      });
    }
    const { model, layers } = withNorms(snapshot, own);
    const folds = layerFolds(layers, 'population');
    await collectMoments(model, layers, { ...this.collecting(), batchNormalised: false }, (batch) => folds.add(batch));
    const measured = folds.measured().map(({ statistics }) => statistics);
    this.known.set(i, measured);
    return measured;
  }

  /** What a row's channels should be like. */
  private async goals({ coefficients, divisor }: Row): Promise<ChannelGoals[]> {
    const goals = this.convolutions.map(({ channels }) => ({
      deviation: new Float64Array(channels),
      mean: new Float64Array(channels),
    }));
    for (const [i, coefficient] of coefficients.entries()) {
      if (coefficient === 0) continue;
      const weight = coefficient / divisor;
      for (const [k, { mean, variance }] of (await this.ofSnapshot(i)).entries()) {
        const goal = goals[k] as ChannelGoals;
        for (let c = 0; c < mean.length; c++) {
          goal.mean[c] = (goal.mean[c] as number) + weight * (mean[c] as number);
          goal.deviation[c] = (goal.deviation[c] as number) + weight * Math.sqrt(variance[c] as number);
        }
      }
    }
    return goals;
  }

  /** Tells results with other goals apart. */
  async goalsHash(row: Row): Promise<string> {
    const hash = createHash('sha256');
    for (const { deviation, mean } of await this.goals(row))
      for (const values of [deviation, mean]) hash.update(new Uint8Array(values.buffer));
    return hash.digest('hex');
  }

  /**
   * The candidate with repaired convolutions: with m and v measured and a = σ / √(v + ε), W' = a W and b' = a (b - m) + μ. A channel that
   * does not vary keeps its weights.
   *
   * Memory: two copies of the weights.
   * @throws TemperError EXECUTION_*, NUMERIC_*
   */
  async repair(candidate: NamedCandidate, row: Row): Promise<NamedCandidate> {
    // A snapshot is as it should be.
    if (row.coefficients.filter((coefficient) => coefficient !== 0).length === 1) return candidate;
    const { prepared } = this.options;
    const goals = await this.goals(row);
    const { model, layers } = withNorms(modelOf(prepared, candidate, candidate.name), this.convolutions, goals);
    const { measured } = await recalibrateByBatch(model, layers, 'population', this.collecting());
    const copy = { name: candidate.name, graph: candidate.graph.slice(), weights: candidate.weights.slice() };
    for (const [k, { name, weight, bias, channels }] of this.convolutions.entries()) {
      const { statistics } = measured[k] as (typeof measured)[number];
      const goal = goals[k] as ChannelGoals;
      const factors = statistics.variance.map((v, c) =>
        v > 0 ? (goal.deviation[c] as number) / Math.sqrt(v + EPSILON) : 1,
      );
      const slots = this.slots[k] as Slots;
      const change = (slot: number, dataType: number, of: (value: number, i: number) => number): void => {
        const place = valuesAt(prepared, copy, slot);
        place.set(encodeFloats(decodeFloats(place.slice(), dataType, name).map(of), dataType, name));
      };
      const perFilter = weight.dims.reduce((product, dim) => product * dim, 1) / channels;
      change(slots.weight, weight.dataType, (value, i) => (factors[Math.floor(i / perFilter)] as number) * value);
      change(
        slots.bias,
        bias.dataType,
        (value, c) => (factors[c] as number) * (value - (statistics.mean[c] as number)) + (goal.mean[c] as number),
      );
    }
    return copy;
  }
}
