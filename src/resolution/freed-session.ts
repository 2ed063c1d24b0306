import { readBytes, TemperError } from '../core/index.ts';
import { externalDataOf, type Model } from '../onnx/index.ts';
import { type ClassOutput, openSession, type RuntimeOptions, type Session, sessionOptions } from '../runtime/index.ts';
import { declaredInputs, imageDims, modelInput } from '../signature/index.ts';
import { freeSize } from './free-size.ts';
import { probe, relativeDifference } from './probe.ts';

/** How far the copy with free sizes may be from the file at the file's own size: another order of summation, no more. */
const SAME_SCORES = 1e-4;

/** How a copy is run to be checked. */
export type CopyOptions = Pick<RuntimeOptions, 'device' | 'threads' | 'input' | 'output'>;

/** A throw-away copy of a file that takes images of any height and width, and a session that runs it. */
export interface FreedModel {
  /** Its payloads are the file's: it serves as long as the file is open. */
  readonly model: Model;
  /** Of `model`; the caller closes it. */
  readonly session: Session;
  /** Why results at all other sizes are doubtful: at the file's own size the copy's scores are not the file's. */
  readonly doubt: string | undefined;
}

/**
 * Opens a session of an edited copy, or of other bytes that its external data fit.
 * @throws TemperError USAGE, EXECUTION_*, FORMAT_*
 */
export async function openCopy(model: Model, choice: CopyOptions, bytes?: Uint8Array): Promise<Session> {
  const { source } = model;
  return openSession({
    model: bytes ?? readBytes(source, 0, source.size),
    externalData: externalDataOf(model),
    label: model.path,
    ...sessionOptions(choice),
  });
}

/** What the file itself says of noise. */
async function ownScores(path: string, dims: readonly number[], options: CopyOptions): Promise<ClassOutput> {
  const session = await openSession({ model: path, ...sessionOptions(options) });
  try {
    return await probe(session, dims, options);
  } finally {
    await session.close();
  }
}

/**
 * Frees the sizes of a file that is fixed to one ({@link freeSize}), and checks the copy on noise at the file's own size: its
 * scores are those of the file, else `doubt` says by how much they differ. The copy takes batches of any length where that
 * runs and gives the same scores, else the file's own batch: a graph that mixes images of a batch shows it there.
 *
 * Memory: the file once more, and two sessions until the check is over.
 * @param file fixed to a height and a width (`modelInput(…).fixed`)
 * @throws TemperError USAGE, UNSUPPORTED_GRAPH, MISMATCH_INPUT, EXECUTION_*, NUMERIC_NONFINITE: what the file itself fails
 * with at its own size, or the copy with the file's own batch
 */
export async function openFreed(file: Model, options: CopyOptions): Promise<FreedModel> {
  const { fixed, ...input } = modelInput(declaredInputs(file), options.input);
  if (!fixed) throw new Error(`${file.path}: takes any size already`);
  const batch = input.batch ?? 1;
  const dims = imageDims(input, batch, fixed);
  const expected = await ownScores(file.path, dims, options);
  const attempt = async (anyBatch: boolean): Promise<FreedModel | undefined> => {
    const model = freeSize(file, { input: input.name, layout: input.layout, batch: anyBatch });
    const session = await openCopy(model, options);
    try {
      const scores = await probe(session, dims, options);
      // A graph that mixes images of a batch shows it in the scores of more images than it was exported for.
      if (anyBatch) await probe(session, imageDims(input, batch + 1, fixed), options);
      const difference = relativeDifference(expected, scores);
      const doubt =
        difference > SAME_SCORES
          ? `with free sizes it differs from the file by ${difference.toPrecision(2)} at the file's own size`
          : undefined;
      if (!(anyBatch && doubt)) return { model, session, doubt };
    } catch (error) {
      await session.close();
      if (!anyBatch || !(error instanceof TemperError)) throw error;
      return undefined;
    }
    await session.close();
    return undefined;
  };
  const found = (await attempt(true)) ?? (await attempt(false));
  if (!found) throw new Error('a copy with its own batch is the last attempt');
  return found;
}
