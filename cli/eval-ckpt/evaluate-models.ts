import { TemperError } from '../../src/core/index.ts';
import {
  type BadImage,
  type ImageFacts,
  loadBatches,
  type PreparationTime,
  type Size,
  type Transform,
  transformHash,
} from '../../src/data/index.ts';
import { type EvaluateOptions, type Evaluation, evaluateModels, type LabelledBatch } from '../../src/evaluate/index.ts';
import type { Session, Tensor } from '../../src/runtime/index.ts';
import type { ChosenData } from '../shared/data-options.ts';
import { progress } from '../shared/progress.ts';
import { batchOf, type RuntimeArguments, workersOf } from '../shared/runtime-options.ts';
import {
  givenTransformOptions,
  modelInput,
  type TransformArguments,
  transformFor,
} from '../shared/transform-options.ts';

export interface EvaluateArguments extends RuntimeArguments, TransformArguments {
  readonly 'on-bad-image': 'fail' | 'skip';
  readonly quiet: boolean;
}

/** One transform per model; none for data that is network input already. */
export function transformsFor(
  sessions: readonly Session[],
  { dataset }: ChosenData,
  args: RuntimeArguments & TransformArguments,
): Transform[] {
  if (dataset.kind !== 'tensor') {
    return sessions.map((session, i) => transformFor(args, session, args.input, i, sessions.length));
  }
  const [given] = givenTransformOptions(args);
  if (given === undefined) return [];
  throw new TemperError('USAGE', `${dataset.source}: numbers ready for the network, --${given} has no use`, {
    hint: 'Leave the transform options out, or name a data set of images.',
  });
}

export interface ModelEvaluation extends Evaluation {
  readonly session: Session;
  /** Absent for numbers that were ready for the network. */
  readonly transform: Transform | undefined;
  /** Images per second of the whole run: reading, decoding, every model. */
  readonly endToEndImagesPerSecond: number;
  /** Shares of the images that the transform enlarged and padded. */
  readonly enlarged: number;
  readonly padded: number;
  /** Mean milliseconds on a decoding thread: decoding, and this transform alone. */
  readonly preparationMs: number;
}

/** A model, and what it is shown: several may share a session. */
export interface EvaluationStage {
  readonly session: Session;
  readonly transform: Transform | undefined;
}

export interface EvaluatedStages {
  readonly evaluations: ModelEvaluation[];
  readonly quarantine: readonly BadImage[];
  /** Of every image, in order. */
  readonly sources: readonly Size[];
}

interface EvaluateStagesOptions extends Pick<EvaluateOptions, 'outputs' | 'valid'> {
  readonly signal: AbortSignal;
  readonly label?: string;
}

/** Runs sessions over a data set in one pass, each with the transform that the options give it. */
export async function evaluateSessions(
  sessions: readonly Session[],
  chosen: ChosenData,
  args: EvaluateArguments,
  options: EvaluateStagesOptions,
): Promise<EvaluatedStages> {
  const transforms = transformsFor(sessions, chosen, args);
  const stages = sessions.map((session, i) => ({ session, transform: transforms[i] }));
  return evaluateStages(stages, chosen, args, options);
}

/** Sums over images what the loader says of each transform. */
function preparation(transforms: number) {
  const sources: Size[] = [];
  const sums = Array.from({ length: transforms }, () => ({ enlarged: 0, padded: 0, ms: 0 }));
  return {
    sources,
    add(facts: readonly ImageFacts[]): void {
      for (const { source, enlarged, padded } of facts) {
        sources.push(source);
        for (const [t, sum] of sums.entries()) {
          sum.enlarged += Number(enlarged[t]);
          sum.padded += Number(padded[t]);
        }
      }
    },
    addTime({ decodeMs, transformMs }: PreparationTime): void {
      for (const [t, sum] of sums.entries()) sum.ms += decodeMs + (transformMs[t] as number);
    },
    of(t: number): Pick<ModelEvaluation, 'enlarged' | 'padded' | 'preparationMs'> {
      const { enlarged, padded, ms } = sums[t] ?? { enlarged: 0, padded: 0, ms: 0 };
      const n = Math.max(1, sources.length);
      return { enlarged: enlarged / n, padded: padded / n, preparationMs: ms / n };
    },
  };
}

/**
 * Runs sessions over a data set in one pass: images are decoded once, and transformed once per distinct transform. Stages
 * of one session share it.
 */
export async function evaluateStages(
  stages: readonly EvaluationStage[],
  chosen: ChosenData,
  args: EvaluateArguments,
  { signal, label, ...options }: EvaluateStagesOptions,
): Promise<EvaluatedStages> {
  const { dataset, rows } = chosen;
  const sessions = stages.map(({ session }) => session);
  const transforms = stages.flatMap(({ transform }) => (transform ? [transform] : []));
  const hashes = transforms.map(transformHash);
  const distinct = [...new Set(hashes)];
  const quarantine: BadImage[] = [];
  const prepared = preparation(distinct.length);
  const bar = progress(
    `evaluating ${label ?? (sessions.length === 1 ? sessions[0]?.label : `${sessions.length} models`)}`,
    rows.length,
    args.quiet,
  );
  const start = performance.now();
  async function* batches(): AsyncGenerator<LabelledBatch> {
    const loaded = loadBatches(dataset, {
      rows,
      transforms: distinct.map((hash) => transforms[hashes.indexOf(hash)] as Transform),
      batch: batchOf(
        args,
        sessions.map((session) => modelInput(session, args.input).batch),
      ),
      workers: workersOf(args),
      onBadImage: args['on-bad-image'],
      quarantine: (bad) => quarantine.push(bad),
      onPrepared: (time) => prepared.addTime(time),
    });
    for await (const { inputs, keys, labels, facts } of loaded) {
      signal.throwIfAborted();
      prepared.add(facts);
      yield { images: inputs as readonly Tensor[], keys, labels: labels ?? new Int32Array(keys.length) };
    }
  }
  try {
    const images = stages.map((_, i) => Math.max(0, distinct.indexOf(hashes[i] ?? '')));
    const evaluations = await evaluateModels(sessions, batches(), {
      ...options,
      ...(args.input === undefined ? {} : { input: args.input }),
      ...(args.output === undefined ? {} : { output: args.output }),
      images,
      onProgress: (images) => bar.update(images),
    });
    const seconds = (performance.now() - start) / 1000;
    return {
      evaluations: evaluations.map((evaluation, i) => ({
        ...evaluation,
        session: sessions[i] as Session,
        transform: transforms[i],
        endToEndImagesPerSecond: evaluation.predictions.labels.length / seconds,
        ...prepared.of(images[i] as number),
      })),
      quarantine,
      sources: prepared.sources,
    };
  } catch (error) {
    const [first] = quarantine;
    if (!first || !(error instanceof TemperError) || error.code !== 'INPUT_TOO_FEW') throw error;
    throw new TemperError('INPUT_TOO_FEW', `no image was evaluated: all ${quarantine.length} are bad`, {
      hint: `Check --data; the first: ${first.error.message}`,
      details: { key: first.key },
      cause: first.error,
    });
  } finally {
    bar.end();
  }
}
