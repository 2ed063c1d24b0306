import { TemperError } from '../../core/index.ts';
import { assertInference, type Model, modelFileSha256, openModel } from '../../onnx/index.ts';
import { openSessions, type RuntimeOptions, type Session, sayProvider } from '../../runtime/index.ts';
import {
  declaredInputs,
  imageDims,
  type ModelInput,
  modelInput,
  type PerModel,
  valueFor,
} from '../../signature/index.ts';
import { openCopy, openFreed } from '../freed-session.ts';
import { probe } from '../probe.ts';
import { type AnalysedModel, analyseSizes } from '../size-analysis.ts';
import { checkedSize, type PixelSize, sidesOf, sizeName } from '../sizes.ts';
import { testTimePool } from '../test-pool.ts';
import type { PlannedModel } from './plan.ts';
import type { RowModel } from './rows.ts';

/** A batch of any number of images, for graphs that take any. */
const ANY_BATCH = 2;

/** A graph that runs at any size. */
interface SweptGraph {
  readonly model: Model;
  readonly session: Session;
}

/** A model of a sweep, its sizes made free. */
export interface SweepModel extends PlannedModel, RowModel {
  readonly input: ModelInput;
  /** The file, or a throw-away copy of it with free sizes. */
  readonly graph: SweptGraph;
  /** With test-time pooling. */
  readonly pooled: SweptGraph | undefined;
  readonly classes: number;
  /** The dims of a batch at a size: of the model's own batch, if it is fixed to one. */
  readonly dimsAt: (size: PixelSize) => number[];
  close(): Promise<void>;
}

export interface SweepModelsOptions extends RuntimeOptions {
  readonly trainSize?: PerModel<PixelSize> | undefined;
  readonly testPool?: boolean | undefined;
}

function trainSizeOf(path: string, given: PixelSize | undefined, fixed: PixelSize | undefined): PixelSize {
  const wrong = (message: string): TemperError =>
    new TemperError('USAGE', message, {
      hint: 'Give `trainSize`: the size in pixels that the network was trained at.',
    });
  const size = given ?? fixed;
  if (size === undefined) throw wrong(`${path}: takes any size, and no \`trainSize\` is given`);
  return checkedSize(size, (found) => wrong(`\`trainSize\` ${found}`));
}

/** A file as it is, where it takes any size; else a copy that does. */
async function openAtAnySize(file: Model, fixedSize: PixelSize | undefined, options: RuntimeOptions) {
  if (fixedSize !== undefined) return openFreed(file, options);
  const [session] = await openSessions([file.path], options, () => undefined);
  return { model: file, session: session as Session, doubt: undefined };
}

type OwnSizes = Pick<SweepModel, 'trainSize' | 'fixedSize'>;

async function openWith(
  file: Model,
  name: string,
  { trainSize, fixedSize }: OwnSizes,
  options: SweepModelsOptions,
): Promise<SweepModel> {
  assertInference(file);
  const { model, session, doubt } = await openAtAnySize(file, fixedSize, options);
  const opened = [session];
  try {
    const input = modelInput(session, options.input);
    const dimsAt = (size: PixelSize): number[] => imageDims(input, input.batch ?? ANY_BATCH, sidesOf(size));
    const madeFor = dimsAt(fixedSize ?? trainSize);
    const { classes } = await probe(session, madeFor, options);
    const analysed = (graph: Model): AnalysedModel => analyseSizes(graph, input.name, madeFor);
    const pooledModel = options.testPool ? testTimePool(model, input.name, dimsAt(trainSize)) : undefined;
    const pooled = pooledModel && { model: pooledModel, session: await openCopy(pooledModel, options) };
    if (pooled) opened.push(pooled.session);
    const [plainAnalysis, pooledAnalysis] = [analysed(model), pooledModel && analysed(pooledModel)];
    return {
      ...{ name, trainSize, fixedSize, doubt, input, pooled, classes, dimsAt },
      sha256: await modelFileSha256(file.path),
      declared: session,
      provider: session.provider,
      onnxruntime: session.ortVersion,
      graph: { model, session },
      analysisAt: (variant, size) => ((variant === 'test-pool' && pooledAnalysis) || plainAnalysis).at(dimsAt(size)),
      close: async () => {
        await Promise.all(opened.map((one) => one.close()));
        file.close();
      },
    };
  } catch (error) {
    await Promise.all(opened.map((one) => one.close()));
    throw error;
  }
}

/**
 * Opens all models of a sweep; fixed ones as copies with free sizes.
 * @param names what the models are called in the table
 * @throws TemperError USAGE, UNSUPPORTED_GRAPH, INPUT_*, FORMAT_*, EXECUTION_*
 */
export async function openSweepModels(
  paths: readonly string[],
  names: readonly string[],
  options: SweepModelsOptions,
  note: (text: string) => void,
): Promise<SweepModel[]> {
  const opened: SweepModel[] = [];
  try {
    for (const [i, path] of paths.entries()) {
      const file = openModel(path);
      try {
        const { fixed: fixedSize } = modelInput(declaredInputs(file), options.input);
        const given =
          options.trainSize === undefined ? undefined : valueFor(options.trainSize, i, paths.length, 'trainSize');
        const sizes = { fixedSize, trainSize: trainSizeOf(path, given, fixedSize) };
        if (fixedSize !== undefined)
          note(`${path}: is fixed to ${sizeName(fixedSize)} px; the sweep runs a copy with free sizes`);
        opened.push(await openWith(file, names[i] as string, sizes, options));
      } catch (error) {
        file.close();
        throw error;
      }
    }
    if (opened[0]) sayProvider(opened[0].graph.session, options.device ?? 'auto', note);
    return opened;
  } catch (error) {
    await Promise.all(opened.map((model) => model.close()));
    throw error;
  }
}
