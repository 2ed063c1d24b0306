import { TemperError } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import {
  type ClassOutput,
  classOutput,
  modelClasses,
  readClassOutput,
  runBatches,
  type Session,
  summarizeTiming,
  type Tensor,
  type Timing,
} from '../runtime/index.ts';
import { assertLabels, classesOf, imageInput, type OutputKind } from '../signature/index.ts';
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
  readonly timing: Timing;
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
    return { stage, output, further, scores, classes: 0, ms: [] as number[] };
  });
  const checkLabels = (session: Session, count?: number): void => {
    const known = modelClasses(session, options.output);
    const places = valid?.labels === 'position' ? valid.classes : undefined;
    if (dataset) assertLabels(dataset, count === undefined ? known : { ...known, count }, { places });
  };
  for (const session of sessions) checkLabels(session);
  const rows: number[] = [];
  let images = 0;
  const ready = (async function* () {
    for await (const batch of batches) yield { images: batch.images, meta: batch };
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
      if (images === 0) checkLabels(session, model.classes);
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
  return models.map(({ scores, classes, ms }) => ({
    ...scores.end(),
    classes: chosen ?? classes,
    timing: summarizeTiming(rows, ms),
  }));
}
