import { encodeFloat16, random, TemperError } from '../core/index.ts';
import {
  type ClassOutput,
  classOutput,
  readClassOutput,
  type Session,
  type Tensor,
  type TensorData,
} from '../runtime/index.ts';
import { imageInput } from '../signature/index.ts';

/** Names of the image input and the class output, where a model has several. */
export interface ProbeNames {
  readonly input?: string | undefined;
  readonly output?: string | undefined;
}

/** Images of noise: uniform in [-1, 1), or in 0..255 for uint8; the same on every machine. */
function noise(type: string, dims: readonly number[]): Tensor {
  const stream = random(0, 'probe', dims.join('x'));
  const count = dims.reduce((product, dim) => product * dim, 1);
  const value = (): number => 2 * stream.float() - 1;
  const fill = <T extends TensorData>(data: T, next: () => number): T => {
    for (let i = 0; i < count; i++) data[i] = next();
    return data;
  };
  if (type === 'uint8') return { type, dims, data: fill(new Uint8Array(count), () => stream.below(256)) };
  if (type === 'float16') return { type, dims, data: fill(new Uint16Array(count), () => encodeFloat16(value())) };
  return { type: 'float32', dims, data: fill(new Float32Array(count), value) };
}

/**
 * Runs noise through a model: whether it runs at a size at all, and gives one row of scores for each image.
 * @param dims of the batch of images
 * @throws TemperError EXECUTION_*, MISMATCH_INPUT, NUMERIC_NONFINITE
 */
export async function probe(
  session: Session,
  dims: readonly number[],
  { input: inputName, output: outputName }: ProbeNames = {},
): Promise<ClassOutput> {
  const input = imageInput(session, inputName);
  const output = classOutput(session, outputName);
  const { outputs } = await session.run({ [input.name]: noise(input.type, dims) }, [output.name]);
  return readClassOutput(session, output, outputs, dims[0] ?? 0);
}

/** The largest difference of two models' scores for the rows that both have, relative to the largest score. */
export function relativeDifference(a: ClassOutput, b: ClassOutput): number {
  const count = Math.min(a.data.length, b.data.length);
  let [most, scale] = [0, 0];
  for (let i = 0; i < count; i++) {
    most = Math.max(most, Math.abs((a.data[i] as number) - (b.data[i] as number)));
    scale = Math.max(scale, Math.abs(a.data[i] as number));
  }
  return most === 0 ? 0 : most / scale;
}

/** A session whose failure is kept instead of thrown. */
export interface IsolatedSession {
  readonly session: Session;
  /** The session itself. */
  readonly bare: Session;
  readonly failure: () => TemperError | undefined;
}

/**
 * Lets one size of a sweep fail without ending the pass over the images: after the first failure (an operator's, of memory,
 * scores that are NaN or of another shape) the session answers zeros, and what it answered counts for nothing.
 * @param classes how many scores an image has
 */
export function isolate(session: Session, outputName: string | undefined, classes: number): IsolatedSession {
  const output = classOutput(session, outputName);
  let failed: TemperError | undefined;
  return {
    failure: () => failed,
    bare: session,
    session: {
      ...session,
      async run(feeds, fetches) {
        const rows = Object.values(feeds)[0]?.dims[0] ?? 0;
        try {
          if (!failed) {
            const result = await session.run(feeds, fetches);
            readClassOutput(session, output, result.outputs, rows);
            return result;
          }
        } catch (error) {
          if (!(error instanceof TemperError)) throw error;
          failed = error;
        }
        const data = new Float32Array(rows * classes);
        return { outputs: { [output.name]: { type: 'float32', dims: [rows, classes], data } }, ms: 0 };
      },
    },
  };
}
