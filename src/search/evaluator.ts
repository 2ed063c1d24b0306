import {
  type BatchNormLayer,
  type MeasuredLayer,
  type NumberedBatch,
  recalibrateByBatch,
  unfold,
} from '../batchnorm/index.ts';
import { TemperError } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import {
  type EvaluateModelsOptions,
  type Evaluation,
  evaluateModels,
  type LabelledBatch,
  type Predictions,
} from '../evaluate/index.ts';
import { encodeFloats } from '../onnx/index.ts';
import { type Device, openSession, type Session } from '../runtime/index.ts';
import { type CandidateModel, modelOf, type PreparedModel, valuesAt, WEIGHTS_LOCATION } from './prepared-model.ts';
import type { Replay } from './replay.ts';

/** How candidates are run. */
export interface EvaluatorOptions {
  readonly prepared: PreparedModel;
  readonly device: Device;
  readonly threads?: number | undefined;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** Whose labels the images have: checked against each candidate. */
  readonly dataset: Dataset;
  readonly signal: AbortSignal;
}

/** A candidate with the name that messages call it by. */
export interface NamedCandidate extends CandidateModel {
  readonly name: string;
}

/** What else is known of a candidate that ran. */
type Told = Pick<Evaluation, 'outputs' | 'classes'>;

/** Where a layer's statistics lie among the stored tensors. */
interface StatisticSlots {
  readonly layer: BatchNormLayer;
  readonly mean: number;
  readonly variance: number;
}

function open({ device, threads }: EvaluatorOptions, { name, graph, weights }: NamedCandidate) {
  return openSession({
    model: graph,
    externalData: [{ path: WEIGHTS_LOCATION, data: weights }],
    device,
    label: name,
    ...(threads === undefined ? {} : { threads }),
  });
}

/** Predictions of candidates, which are never written to disk. Sums up its own time. */
export class CandidateEvaluator {
  private readonly options: EvaluatorOptions;
  private milliseconds = 0;

  constructor(options: EvaluatorOptions) {
    this.options = options;
  }

  /** Wall time of sessions, runs and scoring so far: what evaluating the same models would take without a search. */
  get seconds(): number {
    return this.milliseconds / 1000;
  }

  /** Opens a session and closes it: does the graph load, and what does it run on? */
  async probe(candidate: NamedCandidate): Promise<Pick<Session, 'provider' | 'refused' | 'ortVersion'>> {
    const session = await open(this.options, candidate);
    await session.close();
    return session;
  }

  /**
   * Gives the predictions of each candidate to `take`. Where batches are kept, one session at a time runs while the next one opens; otherwise all
   * run in one pass over the images.
   *
   * Memory: two sessions, or one for each candidate.
   * @throws TemperError as openSession and evaluateModels
   */
  async evaluate(
    candidates: readonly NamedCandidate[],
    images: Replay<LabelledBatch>,
    take: (predictions: Predictions, index: number, found: Told) => void,
    more: Pick<EvaluateModelsOptions, 'onOutputs' | 'outputs'> = {},
  ): Promise<void> {
    const start = performance.now();
    try {
      if (images.kept) await this.oneByOne(candidates, images, take, more);
      else
        for (const [i, found] of (await this.together(candidates, images, more)).entries())
          take(found.predictions, i, found);
    } finally {
      this.milliseconds += performance.now() - start;
    }
  }

  private async run(
    sessions: readonly Session[],
    images: Replay<LabelledBatch>,
    more: Pick<EvaluateModelsOptions, 'onOutputs' | 'outputs'>,
  ): Promise<Evaluation[]> {
    const { input, output, dataset, signal } = this.options;
    async function* batches(): AsyncGenerator<LabelledBatch> {
      for await (const batch of images.pass()) {
        signal.throwIfAborted();
        yield batch;
      }
    }
    return evaluateModels(sessions, batches(), { input, output, dataset, ...more });
  }

  private async oneByOne(
    candidates: readonly NamedCandidate[],
    images: Replay<LabelledBatch>,
    take: (predictions: Predictions, index: number, found: Told) => void,
    more: Pick<EvaluateModelsOptions, 'onOutputs' | 'outputs'>,
  ): Promise<void> {
    const opening = (i: number): Promise<Session> | undefined => {
      const candidate = candidates[i];
      const session = candidate && open(this.options, candidate);
      // It is awaited below; until then a failure must not count as unhandled.
      session?.catch(() => undefined);
      return session;
    };
    let next = opening(0);
    try {
      for (let i = 0; next; i++) {
        const session = await next;
        next = opening(i + 1);
        try {
          const [found] = await this.run([session], images, more);
          if (found) take(found.predictions, i, found);
        } finally {
          await session.close();
        }
      }
    } finally {
      await next?.then(
        (session) => session.close(),
        () => undefined,
      );
    }
  }

  private async together(
    candidates: readonly NamedCandidate[],
    images: Replay<LabelledBatch>,
    more: Pick<EvaluateModelsOptions, 'onOutputs' | 'outputs'>,
  ): Promise<Evaluation[]> {
    const sessions: Session[] = [];
    try {
      for (const candidate of candidates) sessions.push(await open(this.options, candidate));
      return await this.run(sessions, images, more);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  }

  /**
   * The candidate with population statistics of its own: one pass over the images, as bn-recal makes.
   * @throws TemperError as recalibrateByBatch; NUMERIC_OVERFLOW
   */
  async recalibrate(
    candidate: NamedCandidate,
    layers: readonly BatchNormLayer[],
    images: Replay<NumberedBatch>,
  ): Promise<{ candidate: NamedCandidate; measured: readonly MeasuredLayer[]; images: number }> {
    const start = performance.now();
    const { prepared, device, threads, signal } = this.options;
    try {
      const copy = unfold(modelOf(prepared, candidate, candidate.name), { kept: layers, folded: [] });
      const { measured, ran } = await recalibrateByBatch(copy.model, copy.layers, 'population', {
        device,
        threads,
        async *batches() {
          for await (const batch of images.pass()) {
            signal.throwIfAborted();
            yield batch;
          }
        },
      });
      return { candidate: withStatistics(prepared, candidate, measured), measured, images: ran.images };
    } finally {
      this.milliseconds += performance.now() - start;
    }
  }
}

/**
 * Finds each layer's statistics among the stored tensors.
 * @throws TemperError UNSUPPORTED_GRAPH where a layer shares them with another use
 */
export function statisticSlots(prepared: PreparedModel, layers: readonly BatchNormLayer[]): StatisticSlots[] {
  const slots = new Map(prepared.records.map((record, slot) => [record, slot]));
  return layers.map((layer) => {
    const [mean, variance] = [layer.mean, layer.variance].map(({ tensor, exclusive, dataType }) =>
      exclusive && dataType === tensor.dataType ? slots.get(tensor) : undefined,
    );
    if (mean === undefined || variance === undefined) {
      throw new TemperError(
        'UNSUPPORTED_GRAPH',
        `${layer.name}: its statistics are shared with another use, and cannot be replaced in place`,
        { hint: 'Search with `bn` average, and recalibrate the result with bn-recal.', details: { layer: layer.name } },
      );
    }
    return { layer, mean, variance };
  });
}

function withStatistics(
  prepared: PreparedModel,
  candidate: NamedCandidate,
  measured: readonly MeasuredLayer[],
): NamedCandidate {
  const patched = prepared.places.some((place) => place.in === 'graph');
  const copy = {
    name: candidate.name,
    graph: patched ? candidate.graph.slice() : candidate.graph,
    weights: candidate.weights.slice(),
  };
  const slots = statisticSlots(
    prepared,
    measured.map(({ layer }) => layer.source ?? layer),
  );
  for (const [i, { layer, mean, variance }] of slots.entries()) {
    const { statistics } = measured[i] as MeasuredLayer;
    for (const [slot, values, parameter] of [
      [mean, statistics.mean, layer.mean],
      [variance, statistics.variance, layer.variance],
    ] as const) {
      valuesAt(prepared, copy, slot).set(encodeFloats(values, parameter.dataType, layer.name));
    }
  }
  return copy;
}
