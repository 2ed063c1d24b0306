import { type Control, controlOf, type JobControl, random, TemperError } from '../../core/index.ts';
import {
  assertImages,
  type ChosenData,
  type DataOptions,
  noteBadImages,
  openData,
  splitRows,
  type Transform,
  transformHash,
} from '../../data/index.ts';
import {
  DEFAULT_BATCH,
  openSessions,
  type RuntimeOptions,
  type Session,
  type SessionChoice,
} from '../../runtime/index.ts';
import { foundSources, modelInput, type TransformChoice, transformFor } from '../../signature/index.ts';
import { type EvaluatedStages, evaluateStages } from '../evaluate-stages.ts';
import type { EvaluateOptions } from '../options.ts';
import { GREY_IMAGENET } from './grid.ts';
import { costOf, playTournament, type RunTransforms } from './tournament.ts';
import { type Contestant, type Finalist, judge, type TransformVerdict } from './verdict.ts';

/** What `findTransform` tries, and on what. */
export interface FindTransformOptions
  extends RuntimeOptions,
    Pick<SessionChoice, 'graphOptimization'>,
    Pick<EvaluateOptions, 'outputs' | 'onBadImage' | 'seed'> {
  /** An ONNX classifier. */
  readonly model: string;
  /** Images, with labels for a verdict. @default a class-balanced sample of 500 (`limit`) */
  readonly data: DataOptions;
  /** What all others are compared with. @default what is found (docs/preprocessing.md), else torchvision's preset */
  readonly transform?: TransformChoice | undefined;
}

export interface FoundTransformRecord {
  readonly model: string;
  readonly source: string;
  readonly verdict: TransformVerdict;
  readonly labelled: boolean;
  /** What was compared on images that did not choose; the best of those that chose first, what was given is among them. */
  readonly finalists: readonly Finalist[];
  /** Signs that labels and classes do not fit, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
  /** Preprocessings that ran. */
  readonly tried: number;
  /** On which the network failed: other sizes than it takes, values that overflow. */
  readonly failed: number;
  /** Images of the sample, and those of them that the verdict is on. */
  readonly images: number;
  readonly verdictImages: number;
  /** Images times preprocessings that ran through the network. */
  readonly runs: number;
  /** The work in evaluations of the sample with what was given; larger inputs count by their pixels, what failed not at all. At most 4. */
  readonly evaluations: number;
}

const SAMPLE = 500;
/** Evaluations of the sample that all may cost. */
const MOST_EVALUATIONS = 4;
/** Inputs of a batch, all transforms together. */
const BATCH_BYTES = 2 ** 26;
const FLOAT_BYTES = 4;

/** What a network says no to by itself: another size, an overflow. Everything else is the user's. */
const isNetworkFailure = (error: unknown): error is TemperError =>
  error instanceof TemperError && /^(EXECUTION_(RUN|OUTPUT)|NUMERIC_)/.test(error.code);

interface Runner {
  readonly run: RunTransforms;
  readonly totals: { runs: number; work: number; classes: number; readonly failed: Set<string> };
}

/** Runs transforms over rows of a data set: each image is decoded once for all of them, and the work is counted. */
function runner(
  session: Session,
  { dataset }: ChosenData,
  given: Transform,
  options: FindTransformOptions,
  control: Control,
): Runner {
  const totals = { runs: 0, work: 0, classes: 0, failed: new Set<string>() };
  // Whether pictures fit a transform is remarked on for the one that is taken.
  const silent: Control = { ...control, note: () => undefined };
  const fixed = modelInput(session, options.input).batch;
  const stages = (transforms: readonly Transform[], rows: Uint32Array): Promise<EvaluatedStages> => {
    const pixels = transforms.reduce((sum, { crop }) => sum + 3 * crop.width * crop.height, 0);
    const batch = Math.max(
      1,
      Math.min(options.batch ?? DEFAULT_BATCH, Math.floor(BATCH_BYTES / (FLOAT_BYTES * pixels))),
    );
    return evaluateStages(
      transforms.map((transform) => ({ session, transform })),
      { dataset, rows },
      { ...options, batch: fixed ?? batch, label: `${transforms.length} preprocessings` },
      silent,
    );
  };
  const run: RunTransforms = async (transforms, rows) => {
    try {
      const { evaluations, quarantine } = await stages(transforms, rows);
      noteBadImages(quarantine, control.note);
      totals.runs += transforms.length * rows.length;
      for (const transform of transforms) totals.work += rows.length * costOf(transform, given);
      totals.classes = evaluations[0]?.classes ?? totals.classes;
      return new Map(
        evaluations.map(({ predictions }, i) => [transformHash(transforms[i] as Transform), predictions] as const),
      );
    } catch (error) {
      if (!isNetworkFailure(error)) throw error;
      const [only, ...others] = transforms;
      if (only && others.length === 0) {
        const hash = transformHash(only);
        if (hash === transformHash(given)) throw error;
        totals.failed.add(hash);
        return new Map();
      }
      // One of them fails: each half by itself, until it is found.
      const middle = transforms.length >> 1;
      const first = await run(transforms.slice(0, middle), rows);
      return new Map([...first, ...(await run(transforms.slice(middle), rows))]);
    }
  };
  return { run, totals };
}

/** Rows in a seeded order that knows no class. */
function shuffled(rows: Uint32Array, seed: number): Uint32Array {
  const draw = random(seed, 'find-transform');
  const order = rows.slice();
  for (let i = order.length - 1; i > 0; i--) {
    const j = draw.below(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

/** What all others are compared with. A grey network of which nobody says mean and std is no error here: that is what is asked. */
function givenTransform(session: Session, { transform = {}, input }: FindTransformOptions): Transform {
  try {
    return transformFor(transform, session, input);
  } catch (error) {
    const open = !('crop' in transform) && transform.mean === undefined && transform.std === undefined;
    if (!open || modelInput(session, input).channels !== 1) throw error;
    return transformFor({ ...transform, ...GREY_IMAGENET }, session, input);
  }
}

/** What files and the graph say, where options say otherwise; files that contradict each other say nothing here. */
function saidByFiles(session: Session, { input }: FindTransformOptions): Transform[] {
  try {
    return foundSources({}, session, input) === undefined ? [] : [transformFor({}, session, input)];
  } catch (error) {
    if (error instanceof TemperError) return [];
    throw error;
  }
}

/** What was given is compared whatever it costs; of the others, in their order, as many as the work that is left allows. */
function withinBudget(finalists: readonly Transform[], given: Transform, images: number, work: number): Transform[] {
  const isGiven = (transform: Transform): boolean => transformHash(transform) === transformHash(given);
  let left = work - images;
  return finalists.filter((transform) => {
    if (isGiven(transform)) return true;
    const cost = costOf(transform, given) * images;
    if (cost > left) return false;
    left -= cost;
    return true;
  });
}

async function search(
  session: Session,
  chosen: ChosenData,
  options: FindTransformOptions,
  control: Control,
): Promise<FoundTransformRecord> {
  const { model, seed = 0, input } = options;
  const { dataset, rows } = chosen;
  const { labelled } = dataset;
  const given = givenTransform(session, options);
  const { selection, report } = splitRows(dataset, rows, seed);
  const { run, totals } = runner(session, chosen, given, options, control);
  const openSize = modelInput(session, input).fixed === undefined;
  const named = saidByFiles(session, options);
  const field = { given, named, openSize, labelled };
  const { finalists, tried } = await playTournament(field, shuffled(selection, seed), run);
  const affordable = withinBudget(finalists, given, report.length, MOST_EVALUATIONS * rows.length - totals.work);
  const predictions = await run(affordable, report);
  const contestants = affordable.flatMap((transform): Contestant[] => {
    const said = predictions.get(transformHash(transform));
    return said ? [{ transform, isGiven: transformHash(transform) === transformHash(given), predictions: said }] : [];
  });
  return {
    ...{ model, source: dataset.source, labelled, tried, failed: totals.failed.size },
    ...judge(contestants, totals.classes, labelled),
    images: rows.length,
    verdictImages: report.length,
    runs: totals.runs,
    evaluations: totals.work / rows.length,
  };
}

/**
 * Finds the preprocessing that a classifier wants, by trying: values (0 to 1, -1 to 1, 0 to 255, ImageNet's, CLIP's, Caffe's), order of
 * colours, margins, filters, and sizes where the network takes several. Candidates are chosen on one half of a sample, few images for
 * all and more for the best, and the verdict is on the other half: exact McNemar tests of the best against each finalist, with Holm's
 * correction. Without labels predictions that are certain and varied are the only evidence, which proves nothing. Costs at most
 * four plain evaluations of the sample. Memory: a few batches.
 * @returns the verdict and what was compared; `finalists[i].transform` is what every job takes as `transform`
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, EXECUTION_*, NUMERIC_NONFINITE; the signal's reason
 * @example
 * const { verdict, finalists } = await findTransform({ model: 'swa.onnx', data: { source: 'val/', limit: 8 } });
 * console.log(verdict, finalists[0]?.transform);
 */
export async function findTransform(
  options: FindTransformOptions,
  control: JobControl = {},
): Promise<FoundTransformRecord> {
  const watched = controlOf(control);
  const { seed, data } = options;
  const chosen = await openData(
    { ...data, seed: data.seed ?? seed, limit: data.limit ?? SAMPLE },
    { labelled: false, signal: watched.signal },
  );
  try {
    assertImages(chosen);
    const sessions = await openSessions([options.model], options, watched.note);
    try {
      return await search(sessions[0] as Session, chosen, options, watched);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  } finally {
    await chosen.dataset.close();
  }
}
