import { type NumberedBatch, recalibrateByBatch, type StateReader, unfold } from '../batchnorm/index.ts';
import type { Dataset } from '../data/index.ts';
import {
  type EvaluateModelsOptions,
  type Evaluation,
  evaluateModels,
  type LabelledBatch,
  type Predictions,
} from '../evaluate/index.ts';
import { type Device, openSession, type Session } from '../runtime/index.ts';
import { type CandidateLayers, withMeasured } from './candidate-layers.ts';
import { type CandidateModel, modelOf, type PreparedModel, WEIGHTS_LOCATION } from './prepared-model.ts';
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
   * The candidate with population statistics of its own: one pass over the images, as bn-recal makes. Layers that a map says were folded
   * stand apart again in a throw-away copy, and are folded in the map's arithmetic.
   *
   * Memory: a copy of the weights; with folded layers two more.
   * @param state what the candidate's state dict holds, where layers were folded
   * @throws TemperError as recalibrateByBatch; NUMERIC_OVERFLOW
   */
  async recalibrate(
    candidate: NamedCandidate,
    chosen: CandidateLayers,
    images: Replay<NumberedBatch>,
    state?: StateReader,
  ): Promise<NamedCandidate> {
    const start = performance.now();
    const { prepared, device, threads, signal } = this.options;
    try {
      const { model, layers } = unfold(modelOf(prepared, candidate, candidate.name), chosen, undefined, state);
      const { measured } = await recalibrateByBatch(model, layers, 'population', {
        device,
        threads,
        async *batches() {
          for await (const batch of images.pass()) {
            signal.throwIfAborted();
            yield batch;
          }
        },
      });
      return withMeasured(prepared, candidate, measured, state);
    } finally {
      this.milliseconds += performance.now() - start;
    }
  }
}
