import { basename } from 'node:path';
import { TemperError, readBytes } from '../../src/core/index.ts';
import { type Model, externalDataOf, modelFileSha256, openModel } from '../../src/onnx/index.ts';
import { type AnalysedModel, analyseSizes, freeSize, probe, relativeDifference, testTimePool } from '../../src/resolution/index.ts';
import { type Session, openSession, parseDevice } from '../../src/runtime/index.ts';
import { declaredInputs } from '../shared/model-inputs.ts';
import { openSessions, type RuntimeArguments } from '../shared/runtime-options.ts';
import { modelInput } from '../shared/transform-options.ts';

/** How far the copy with free sizes may be from the file at the file's own size: another order of summation, no more. */
const SAME_SCORES = 1e-4;

/** A graph that runs at any size. */
export interface SweptGraph {
  readonly model: Model;
  readonly session: Session;
  readonly analysis: AnalysedModel;
}

/** A model of a sweep, its sizes made free. */
export interface SweepModel {
  readonly path: string;
  readonly name: string;
  readonly sha256: string;
  readonly trainSize: number;
  /** The size that the file is fixed to. */
  readonly fixedSize: number | undefined;
  readonly input: ReturnType<typeof modelInput>;
  /** The file, or a throw-away copy of it with free sizes. */
  readonly graph: SweptGraph;
  /** With test-time pooling. */
  readonly pooled: SweptGraph | undefined;
  readonly classes: number;
  /** Why results at all other sizes are doubtful: the copy differs from the file. */
  readonly doubt: string | undefined;
  close(): Promise<void>;
}

export const inputDims = ({ layout, channels }: SweepModel['input'], batch: number, size: number): number[] => {
  const count = typeof channels === 'number' ? channels : 3;
  return layout === 'NCHW' ? [batch, count, size, size] : [batch, size, size, count];
};

/** Opens a session of an edited copy, or of other bytes that its external data fit. */
export async function sessionOf(model: Model, args: RuntimeArguments, bytes = bytesOf(model)): Promise<Session> {
  return openSession({
    model: bytes,
    externalData: externalDataOf(model),
    device: parseDevice(args.device),
    label: model.path,
    ...(args.threads === undefined ? {} : { threads: args.threads }),
  });
}

const bytesOf = ({ source }: Model): Uint8Array => readBytes(source, 0, source.size);

function trainSizeOf(
  path: string,
  given: readonly number[] | undefined,
  i: number,
  n: number,
  fixed: number | undefined,
): number {
  if (given !== undefined && given.length !== 1 && given.length !== n) {
    throw new TemperError(
      'USAGE',
      `--train-size ${given.join(',')}: expected one size, or one for each of ${n} models`,
    );
  }
  const size = given === undefined ? fixed : given[given.length === 1 ? 0 : i];
  if (size !== undefined && Number.isSafeInteger(size) && size >= 1) return size;
  throw new TemperError(
    'USAGE',
    size === undefined ? `${path}: takes any size, and no --train-size is given` : `--train-size ${size}`,
    { hint: 'Give --train-size: the size in pixels that the network was trained at.' },
  );
}

/** A copy with free sizes, of any batch if that runs at the file's own size and gives the file's own scores. */
async function freedSession(
  file: Model,
  original: Session,
  input: SweepModel['input'],
  fixedSize: number,
  args: RuntimeArguments,
): Promise<{ model: Model; session: Session; doubt: string | undefined }> {
  const batch = input.batch ?? 1;
  const expected = await probe(original, inputDims(input, batch, fixedSize), args);
  const attempt = async (free: boolean) => {
    const model = freeSize(file, { input: input.name, layout: input.layout, batch: free });
    const session = await sessionOf(model, args);
    try {
      const scores = await probe(session, inputDims(input, batch, fixedSize), args);
      // A graph that mixes images of a batch shows it in the scores of more images than it was exported for.
      if (free) await probe(session, inputDims(input, batch + 1, fixedSize), args);
      const difference = relativeDifference(expected, scores);
      const doubt =
        difference > SAME_SCORES
          ? `with free sizes it differs from the file by ${difference.toPrecision(2)} at the file's own size`
          : undefined;
      if (!(free && doubt)) return { model, session, doubt };
    } catch (error) {
      await session.close();
      if (!free || !(error instanceof TemperError)) throw error;
      return undefined;
    }
    await session.close();
    return undefined;
  };
  const found = (await attempt(true)) ?? (await attempt(false));
  if (!found) throw new Error('a copy with its own batch is the last attempt');
  return found;
}

interface OpenOptions {
  readonly testPool: boolean;
  readonly trainSizes: readonly number[] | undefined;
  readonly args: RuntimeArguments;
  readonly say: (text: string) => void;
}

async function openOne(
  path: string,
  name: string,
  i: number,
  n: number,
  { trainSizes, testPool, args, say }: OpenOptions,
): Promise<SweepModel> {
  const file = openModel(path);
  let session: Session | undefined;
  try {
    const input = modelInput(declaredInputs(file), args.input);
    const { fixed } = input;
    if (fixed && fixed.height !== fixed.width) {
      throw new TemperError('UNSUPPORTED_GRAPH', `${path}: is fixed to ${fixed.height}x${fixed.width}`, {
        hint: 'A sweep is over squares: export the model with dynamic height and width.',
      });
    }
    const trainSize = trainSizeOf(path, trainSizes, i, n, fixed?.height);
    const [opened] = await openSessions([path], args, i === 0 ? say : () => undefined);
    session = opened as Session;
    let used = { model: file, session, doubt: undefined as string | undefined };
    if (fixed) {
      say(`${path}: is fixed to ${fixed.height} px; the sweep runs a copy with free sizes`);
      used = await freedSession(file, session, input, fixed.height, args);
      await session.close();
      session = used.session;
    }
    const usedInput = modelInput(used.session, args.input);
    const reference = (size: number): number[] => inputDims(usedInput, usedInput.batch ?? 2, size);
    const madeFor = fixed?.height ?? trainSize;
    const found = await probe(used.session, reference(madeFor), args);
    const analysed = (model: Model): AnalysedModel => analyseSizes(model, input.name, reference(madeFor));
    const pooledModel = testPool ? testTimePool(used.model, input.name, reference(trainSize)) : undefined;
    const pooled = pooledModel && {
      model: pooledModel,
      session: await sessionOf(pooledModel, args),
      analysis: analysed(pooledModel),
    };
    return {
      path,
      name,
      sha256: await modelFileSha256(path),
      trainSize,
      fixedSize: fixed?.height,
      input: usedInput,
      graph: { model: used.model, session: used.session, analysis: analysed(used.model) },
      pooled,
      doubt: used.doubt,
      classes: found.classes,
      close: async () => {
        await Promise.all([used.session.close(), pooled?.session.close()]);
        file.close();
      },
    };
  } catch (error) {
    await session?.close();
    file.close();
    throw error;
  }
}

/** Opens all models of a sweep; fixed ones as copies with free sizes. @throws TemperError USAGE, UNSUPPORTED_GRAPH, EXECUTION_* */
export async function openSweepModels(
  paths: readonly string[],
  names: readonly string[],
  options: OpenOptions,
): Promise<SweepModel[]> {
  const opened: SweepModel[] = [];
  try {
    for (const [i, path] of paths.entries()) {
      opened.push(await openOne(path, names[i] ?? basename(path), i, paths.length, options));
    }
    return opened;
  } catch (error) {
    await Promise.all(opened.map((model) => model.close()));
    throw error;
  }
}
