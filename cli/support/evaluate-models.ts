import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { TemperError } from '../../src/core/index.ts';
import { type BadImage, loadBatches, type Transform, transformHash } from '../../src/data/index.ts';
import { type EvaluateOptions, type Evaluation, evaluateModels, type LabelledBatch } from '../../src/evaluate/index.ts';
import type { Session, Tensor } from '../../src/runtime/index.ts';
import type { ChosenData } from './data-options.ts';
import { progress } from './progress.ts';
import { batchOf, type RuntimeArguments, workersOf } from './runtime-options.ts';
import { givenTransformOptions, modelInput, type TransformArguments, transformFor } from './transform-options.ts';

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

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
}

/** Runs sessions over a data set in one pass: images are decoded once, and transformed once per distinct transform. */
export async function evaluateSessions(
  sessions: readonly Session[],
  chosen: ChosenData,
  args: EvaluateArguments,
  { signal, ...options }: Pick<EvaluateOptions, 'outputs' | 'valid'> & { readonly signal: AbortSignal },
): Promise<{ evaluations: ModelEvaluation[]; quarantine: readonly BadImage[] }> {
  const { dataset, rows } = chosen;
  const transforms = transformsFor(sessions, chosen, args);
  const hashes = transforms.map(transformHash);
  const distinct = [...new Set(hashes)];
  const quarantine: BadImage[] = [];
  const bar = progress(
    `evaluating ${sessions.length === 1 ? sessions[0]?.label : `${sessions.length} models`}`,
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
    });
    for await (const { inputs, keys, labels } of loaded) {
      signal.throwIfAborted();
      yield { images: inputs as readonly Tensor[], keys, labels: labels ?? new Int32Array(keys.length) };
    }
  }
  try {
    const evaluations = await evaluateModels(sessions, batches(), {
      ...options,
      ...(args.input === undefined ? {} : { input: args.input }),
      ...(args.output === undefined ? {} : { output: args.output }),
      images: sessions.map((_, i) => Math.max(0, distinct.indexOf(hashes[i] ?? ''))),
      onProgress: (images) => bar.update(images),
    });
    const seconds = (performance.now() - start) / 1000;
    return {
      evaluations: evaluations.map((evaluation, i) => ({
        ...evaluation,
        session: sessions[i] as Session,
        transform: transforms[i],
        endToEndImagesPerSecond: evaluation.predictions.labels.length / seconds,
      })),
      quarantine,
    };
  } finally {
    bar.end();
  }
}
