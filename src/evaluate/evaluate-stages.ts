import { type Control, TemperError } from '../core/index.ts';
import {
  type BadImage,
  type BadImageRecord,
  badImageRecord,
  type ChosenData,
  type ImageFacts,
  type Layout,
  loadBatches,
  type PreparationTime,
  type Size,
  type Transform,
  transformHash,
} from '../data/index.ts';
import { batchOf, type RuntimeOptions, type Session, type Tensor, type Timing, workersOf } from '../runtime/index.ts';
import { modelInput, type PerModel, type TransformChoice, transformsFor } from '../signature/index.ts';
import { type EvaluateModelsOptions, type Evaluation, evaluateModels, type LabelledBatch } from './evaluate-models.ts';
import { mirrored } from './mirror.ts';
import { pictureNotes } from './picture-notes.ts';

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
  /** Where some images run alone too, to see whether scores depend on the batch; absent: nowhere. */
  readonly alone?: Session | undefined;
  /** Shown the mirror images instead. @default false */
  readonly mirror?: boolean | undefined;
}

export interface EvaluatedStages {
  readonly evaluations: ModelEvaluation[];
  readonly quarantine: readonly BadImageRecord[];
  /** Of every image, in order. */
  readonly sources: readonly Size[];
  /** What is odd about pictures and transforms ({@link pictureNotes}); said as notes already. */
  readonly pictureNotes: readonly string[];
}

/** How images are read and models are run in an evaluation. */
export interface StageOptions
  extends Pick<RuntimeOptions, 'batch' | 'workers' | 'input' | 'output'>,
    Pick<EvaluateModelsOptions, 'outputs' | 'valid' | 'further' | 'onOutputs'> {
  /** Stop at an image that cannot be decoded, or leave it out and list it. @default 'fail' */
  readonly onBadImage?: 'fail' | 'skip' | undefined;
  /** Whether a transform that resizes pictures of its own size is remarked on, or only if all do, as a sweep has many sizes. @default 'each' */
  readonly pictures?: 'each' | 'all' | undefined;
  /** What progress calls the run. @default the model's name, or how many there are */
  readonly label?: string | undefined;
}

/**
 * Runs sessions over a data set in one pass, each with the transform that is chosen for it.
 * @param options `mirrorFrom`: sessions from this place on run on the mirror images too, in further evaluations behind all others
 */
export async function evaluateSessions(
  sessions: readonly Session[],
  chosen: ChosenData,
  options: StageOptions & {
    readonly transform?: PerModel<TransformChoice> | undefined;
    readonly mirrorFrom?: number | undefined;
  },
  control: Control,
): Promise<EvaluatedStages> {
  const transforms = transformsFor(sessions, chosen, options, control.note);
  const stages = sessions.map((session, i) => ({ session, transform: transforms[i], alone: session }));
  const mirrors = stages.slice(options.mirrorFrom ?? stages.length);
  const again = mirrors.map((stage) => ({ ...stage, alone: undefined, mirror: true }));
  return evaluateStages([...stages, ...again], chosen, options, control);
}

/** Which of the loader's images each stage takes, and the mirror images that are made of them: numbered behind the loaded ones. */
function imagesOf(stages: readonly EvaluationStage[], loaded: readonly string[], input: string | undefined) {
  const own = stages.map(({ transform }) => Math.max(0, transform ? loaded.indexOf(transformHash(transform)) : 0));
  const layouts = stages.map(({ session, mirror }) => (mirror ? modelInput(session, input).layout : undefined));
  const nameOf = (i: number): string => `${own[i]} ${layouts[i]}`;
  const names = [...new Set(stages.flatMap(({ mirror }, i) => (mirror ? [nameOf(i)] : [])))];
  const first = names.map((name) => stages.findIndex((_, i) => nameOf(i) === name));
  const count = Math.max(1, loaded.length);
  return {
    own,
    taken: stages.map(({ mirror }, i) => (mirror ? count + names.indexOf(nameOf(i)) : (own[i] as number))),
    withMirrors: (images: readonly Tensor[]): Tensor[] => [
      ...images,
      ...first.map((i) => mirrored(images[own[i] as number] as Tensor, layouts[i] as Layout)),
    ],
  };
}

/** Times of batches that ran in halves, with the number of images that they ran in. */
const ranIn = (timing: Timing, session: Session): Timing => ({
  ...timing,
  batch: Math.min(timing.batch, session.halvedTo() ?? timing.batch),
});

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
  { dataset, rows }: ChosenData,
  options: StageOptions,
  { note, progress, signal }: Control,
): Promise<EvaluatedStages> {
  const { input, output, outputs, valid, label, further, onOutputs } = options;
  const sessions = stages.map(({ session }) => session);
  const transforms = stages.flatMap(({ transform }) => (transform ? [transform] : []));
  const hashes = transforms.map(transformHash);
  const distinct = [...new Set(hashes)];
  const quarantine: BadImage[] = [];
  const prepared = preparation(distinct.length);
  const images = imagesOf(stages, distinct, input);
  const shown = stages.filter(({ mirror }) => !mirror).length;
  const what = label ?? (shown === 1 ? sessions[0]?.label : `${shown} models`);
  const bar = progress(`evaluating ${what}`, rows.length);
  const start = performance.now();
  async function* batches(): AsyncGenerator<LabelledBatch> {
    const loaded = loadBatches(dataset, {
      rows,
      transforms: distinct.map((hash) => transforms[hashes.indexOf(hash)] as Transform),
      batch: batchOf(
        options,
        sessions.map((session) => modelInput(session, input).batch),
      ),
      workers: workersOf(options),
      onBadImage: options.onBadImage ?? 'fail',
      quarantine: (bad) => quarantine.push(bad),
      onPrepared: (time) => prepared.addTime(time),
    });
    for await (const { inputs, keys, labels, facts } of loaded) {
      signal.throwIfAborted();
      prepared.add(facts);
      yield {
        images: images.withMirrors(inputs as readonly Tensor[]),
        keys,
        labels: labels ?? new Int32Array(keys.length),
      };
    }
  }
  try {
    const evaluations = await evaluateModels(sessions, batches(), {
      ...{ input, output, outputs, valid, images: images.taken, dataset, further, onOutputs },
      alone: stages.map(({ alone }) => alone),
      onProgress: (done) => bar.update(done),
    });
    const seconds = (performance.now() - start) / 1000;
    const odd = pictureNotes(
      prepared.sources,
      distinct.map((hash) => transforms[hashes.indexOf(hash)] as Transform),
      options.pictures,
    );
    for (const text of odd) note(text);
    for (const [i, { dependence }] of evaluations.entries()) {
      if (dependence !== undefined) note(`${sessions[i]?.label}: ${dependence}; another \`batch\` gives other numbers`);
    }
    return {
      evaluations: evaluations.map((evaluation, i) => ({
        ...evaluation,
        timing: ranIn(evaluation.timing, sessions[i] as Session),
        session: sessions[i] as Session,
        transform: transforms[i],
        endToEndImagesPerSecond: evaluation.predictions.labels.length / seconds,
        ...prepared.of(images.own[i] as number),
      })),
      quarantine: quarantine.map(badImageRecord),
      sources: prepared.sources,
      pictureNotes: odd,
    };
  } catch (error) {
    throw allBad(error, quarantine);
  } finally {
    bar.end();
  }
}

/** That no image was left is said with the reason of the first. */
function allBad(error: unknown, [first, ...others]: readonly BadImage[]): unknown {
  if (!first || !(error instanceof TemperError) || error.code !== 'INPUT_TOO_FEW') return error;
  return new TemperError('INPUT_TOO_FEW', `no image was evaluated: all ${others.length + 1} are bad`, {
    hint: `Check \`data\`; the first: ${first.error.message}`,
    details: { key: first.key },
    cause: first.error,
  });
}
