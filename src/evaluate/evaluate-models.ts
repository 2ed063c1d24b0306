import { TemperError } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import {
  type BatchTimes,
  type ClassOutput,
  classOutput,
  modelClasses,
  readClassOutput,
  runBatches,
  type Session,
  type Stage,
  sharedTimes,
  summarizeTiming,
  type Tensor,
  type Timing,
} from '../runtime/index.ts';
import { assertLabels, classesOf, imageInput, type OutputKind, type ValueInfo } from '../signature/index.ts';
import { batchDependence, dependenceText, type LoneRow, loneRows } from './batch-dependence.ts';
import { type CollectedScores, collectScores } from './model-scores.ts';
import type { Predictions, ValidClasses } from './predictions.ts';

/** Images ready for the network, with their names and true classes. */
export interface LabelledBatch {
  /** Once per transform. */
  readonly images: readonly Tensor[];
  readonly keys: readonly string[];
  readonly labels: ArrayLike<number>;
}

/** What belongs to a batch of outputs. */
interface BatchOutputs {
  readonly keys: readonly string[];
  readonly labels: ArrayLike<number>;
  readonly further: ClassOutput | undefined;
}

export interface EvaluateModelsOptions {
  /** Names of the image input and of the class output, where a model has several. */
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** What the outputs are; `auto` takes what the graph says, else what all values together say. */
  readonly outputs?: 'auto' | OutputKind | undefined;
  /** The labels are checked against each model: before the first batch, and with it where the file leaves the classes open. */
  readonly dataset?: Dataset | undefined;
  readonly valid?: ValidClasses | undefined;
  /** Per session: which of a batch's images it takes. Default: the first, for all. */
  readonly images?: readonly number[] | undefined;
  /** Per session: where some images of the first batch run alone too, in the end; absent: nowhere. */
  readonly alone?: readonly (Session | undefined)[] | undefined;
  /** Batches prepared while one runs. */
  readonly ahead?: number | undefined;
  /** A further output of the models that is computed, for `onOutputs`. */
  readonly further?: string | undefined;
  /**
   * Told of every model's outputs, batch by batch, models in their order, with the number of the batch's first image, its images, and the
   * further output, which is read as class scores are.
   */
  readonly onOutputs?: ((model: number, output: ClassOutput, first: number, of: BatchOutputs) => void) | undefined;
  /** Called after each batch with the number of images so far. */
  readonly onProgress?: ((images: number) => void) | undefined;
}

export interface Evaluation {
  readonly predictions: Predictions;
  readonly outputs: OutputKind;
  /** That the model chose from. */
  readonly classes: number;
  /** Of all models that do the same work as this one: graphs that are equal but for their weights, on inputs of one shape. */
  readonly timing: Timing;
  /** What `timing` is of; one object for all of these models. */
  readonly times: BatchTimes;
  /** That an image alone has other scores than in a batch, in words. */
  readonly dependence?: string | undefined;
}

/** What a model was asked to do, and how long each batch took. */
interface Ran {
  readonly session: Session;
  /** Of the first batch. */
  readonly dims: readonly number[];
  readonly times: BatchTimes;
}

/**
 * Times of models that do equal work are put together: single measurements would show noise as a difference. One that failed in between
 * stands alone.
 */
function timesOf(models: readonly Ran[]): Pick<Evaluation, 'timing' | 'times'>[] {
  const keyOf = ({ session, dims, times }: Ran, i: number): string => {
    const graph = models.length === 1 || times.ms.includes(0) ? undefined : session.graphSha256();
    return graph === undefined ? String(i) : `${graph} ${session.provider} ${dims.join('x')}`;
  };
  const keys = models.map(keyOf);
  const groups = new Map(
    [...new Set(keys)].map((key) => {
      const all = models.filter((_, i) => keys[i] === key).map(({ times }) => times);
      const [first, ...others] = all as [BatchTimes, ...BatchTimes[]];
      return [key, { timing: summarizeTiming(first, ...others), times: sharedTimes(all) }] as const;
    }),
  );
  return keys.map((key) => groups.get(key) as Pick<Evaluation, 'timing' | 'times'>);
}

/** Per model, whether images alone have other scores than in the first batch; models without a session for it have none. */
async function dependences(
  models: readonly { readonly stage: Stage; readonly output: ValueInfo; readonly first: ClassOutput | undefined }[],
  alone: readonly (Session | undefined)[],
  lone: readonly LoneRow[],
): Promise<(string | undefined)[]> {
  const looked = models.flatMap(({ stage, output, first }, i) => {
    const session = alone[i];
    return session && first ? [{ i, network: { ...stage, session, output }, first }] : [];
  });
  const networks = looked.map(({ network }) => network);
  const outputs = looked.map(({ first }) => first);
  const found = await batchDependence(networks, outputs, lone);
  const texts = looked.map(({ i, network }, k) => [i, dependenceText(network, found[k] ?? 0)] as const);
  const known = new Map(texts);
  return models.map((_, i) => known.get(i));
}

/**
 * Runs models over the same batches in one pass, and scores them. Decoding, inference and scoring overlap.
 * @returns one evaluation per session, in order
 * @throws TemperError INPUT_TOO_FEW without images; MISMATCH_INPUT, MISMATCH_VALUE, EXECUTION_*, NUMERIC_NONFINITE, USAGE,
 * and what the batches throw
 */
export async function evaluateModels(
  sessions: readonly Session[],
  batches: AsyncIterable<LabelledBatch>,
  options: EvaluateModelsOptions = {},
): Promise<Evaluation[]> {
  const { outputs = 'auto', valid, dataset, ahead = 2, onProgress } = options;
  const said = outputs === 'auto' ? undefined : outputs;
  const models = sessions.map((session, i) => {
    const input = imageInput(session, options.input);
    const output = classOutput(session, options.output);
    const further = options.further === undefined ? undefined : classOutput(session, options.further);
    const fetches = further ? [output.name, further.name] : [output.name];
    const stage = { session, input, fetches, images: options.images?.[i] ?? 0 };
    const scores: CollectedScores = collectScores(said, session.facts().outputKind(output.name), valid);
    const first = undefined as ClassOutput | undefined;
    return { stage, output, further, scores, first, classes: 0, ms: [] as number[], dims: [] as readonly number[] };
  });
  const checkLabels = (session: Session, count?: number): void => {
    const known = modelClasses(session, options.output);
    const places = valid?.labels === 'position' ? valid.classes : undefined;
    if (dataset) assertLabels(dataset, count === undefined ? known : { ...known, count }, { places });
  };
  for (const session of sessions) checkLabels(session);
  const rows: number[] = [];
  let images = 0;
  let lone: readonly LoneRow[] = [];
  const ready = (async function* () {
    for await (const batch of batches) {
      // Copied before the images are handed over.
      if (rows.length === 0 && lone.length === 0 && options.alone) lone = loneRows(batch.images);
      yield { images: batch.images, meta: { ...batch, dims: batch.images.map(({ dims }) => dims) } };
    }
  })();
  for await (const result of runBatches(
    models.map((model) => model.stage),
    ready,
    { ahead },
  )) {
    const { keys, labels } = result.meta;
    for (const [i, model] of models.entries()) {
      const { session } = model.stage;
      const output = readClassOutput(session, model.output, result.outputs[i] ?? {}, result.rows, keys);
      model.classes = classesOf(output.classes);
      if (images === 0) {
        checkLabels(session, model.classes);
        model.dims = result.meta.dims[model.stage.images] ?? [];
        model.first = output;
      }
      const further =
        model.further && readClassOutput(session, model.further, result.outputs[i] ?? {}, result.rows, keys);
      options.onOutputs?.(i, output, images, { keys, labels, further });
      model.scores.add(output, keys, labels);
      model.ms.push(result.ms[i] as number);
    }
    rows.push(result.rows);
    images += result.rows;
    onProgress?.(images);
  }
  if (images === 0) {
    throw new TemperError('INPUT_TOO_FEW', 'no image was evaluated', { hint: 'Check `data`, `rows` and `limit`.' });
  }
  const chosen = valid?.classes.length;
  const dependence = await dependences(models, options.alone ?? [], lone);
  const times = timesOf(models.map(({ stage, dims, ms }) => ({ session: stage.session, dims, times: { rows, ms } })));
  return models.map(({ scores, classes }, i) => ({
    ...scores.end(),
    classes: chosen ?? classes,
    ...(times[i] as (typeof times)[number]),
    dependence: dependence[i],
  }));
}
