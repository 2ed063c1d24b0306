import { TemperError } from '../core/index.ts';
import {
  type ClassOutput,
  classOutput,
  readClassOutput,
  runBatches,
  type Session,
  summarizeTiming,
  type Tensor,
  type Timing,
} from '../runtime/index.ts';
import { imageInput } from '../signature/index.ts';
import { detectOutputs, type OutputKind } from './output-kind.ts';
import { concatPredictions, type Predictions, scoreBatch, type ValidClasses } from './predictions.ts';

/** Images ready for the network, with their names and true classes. */
export interface LabelledBatch {
  /** Once per transform. */
  readonly images: readonly Tensor[];
  readonly keys: readonly string[];
  readonly labels: ArrayLike<number>;
}

export interface EvaluateModelsOptions {
  /** Names of the image input and of the class output, where a model has several. */
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** What the outputs are; `auto` decides for each model by its first batch. */
  readonly outputs?: 'auto' | Exclude<OutputKind, 'log-probabilities'> | undefined;
  readonly valid?: ValidClasses | undefined;
  /** Per session: which of a batch's images it takes. Default: the first, for all. */
  readonly images?: readonly number[] | undefined;
  /** Batches prepared while one runs. */
  readonly ahead?: number | undefined;
  /** Told of every model's outputs and what they are, batch by batch, with the number of the batch's first image. */
  readonly onOutputs?: ((model: number, output: ClassOutput, kind: OutputKind, first: number) => void) | undefined;
  /** Called after each batch with the number of images so far. */
  readonly onProgress?: ((images: number) => void) | undefined;
}

export interface Evaluation {
  readonly predictions: Predictions;
  readonly outputs: OutputKind;
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
  const { outputs = 'auto', valid, ahead = 2, onProgress } = options;
  const models = sessions.map((session, i) => {
    const output = classOutput(session, options.output);
    const input = imageInput(session, options.input);
    const stage = { session, input, fetches: [output.name], images: options.images?.[i] ?? 0 };
    const kind = (outputs === 'auto' ? undefined : outputs) as OutputKind | undefined;
    return { stage, output, kind, parts: [] as Predictions[], ms: [] as number[] };
  });
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
      const scores = readClassOutput(model.stage.session, model.output, result.outputs[i] ?? {}, result.rows, keys);
      model.kind ??= detectOutputs(scores);
      options.onOutputs?.(i, scores, model.kind, images);
      model.parts.push(scoreBatch(scores, keys, labels, { kind: model.kind, valid }));
      model.ms.push(result.ms[i] as number);
    }
    rows.push(result.rows);
    images += result.rows;
    onProgress?.(images);
  }
  if (images === 0) {
    throw new TemperError('INPUT_TOO_FEW', 'no image was evaluated', { hint: 'Check `data`, `rows` and `limit`.' });
  }
  return models.map(({ parts, kind, ms }) => ({
    predictions: concatPredictions(parts),
    outputs: kind ?? 'logits',
    timing: summarizeTiming(rows, ms),
  }));
}
