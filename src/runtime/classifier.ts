import { decodeFloat16s, TemperError } from '../core/index.ts';
import {
  classesOf,
  type ModelClasses,
  type ModelReading,
  modelReading,
  type OutputKind,
  pickValue,
  type ReadModel,
  scoresOf,
  type ValueInfo,
} from '../signature/index.ts';
import type { Session } from './session.ts';
import type { Tensor, Tensors } from './tensor.ts';

/** The outputs of a classifier for one batch: row i holds `classes` values for image i; a single one is a score of two classes. */
export interface ClassOutput {
  readonly rows: number;
  readonly classes: number;
  /** [rows, classes]; float16 decoded. */
  readonly data: Float32Array | Float64Array;
  /** The smallest positive value of the type that the model computed: what a probability of 0 stands for. */
  readonly smallest: number;
  /** The largest value below 1 of that type: what a sigmoid score of 1 stands for. */
  readonly largestBelowOne: number;
}

/** Of the floating types: the smallest subnormal, and the largest value below 1. */
export const FLOAT_LIMITS: Readonly<Record<string, Pick<ClassOutput, 'smallest' | 'largestBelowOne'>>> = {
  float16: { smallest: 2 ** -24, largestBelowOne: 1 - 2 ** -11 },
  float32: { smallest: 2 ** -149, largestBelowOne: 1 - 2 ** -24 },
  float64: { smallest: 2 ** -1074, largestBelowOne: 1 - 2 ** -53 },
};

/**
 * The output that holds the class scores.
 * @throws TemperError USAGE if it is not named and not the only one; UNSUPPORTED_DATA_TYPE unless it is floating
 */
export function classOutput(session: Session, name?: string): ValueInfo {
  const output = pickValue(session.label, 'output', session.outputs, name);
  if (Object.hasOwn(FLOAT_LIMITS, output.type)) return output;
  throw new TemperError('UNSUPPORTED_DATA_TYPE', `${session.label}: output ${output.name} is ${output.type}`, {
    hint: 'Name the output with the logits or probabilities (`output`), not an ArgMax.',
  });
}

function wrong(session: Session, what: string, hint: string): TemperError {
  return new TemperError('EXECUTION_OUTPUT', `${session.label}: ${what}`, { hint });
}

/** The values as floats, and the smallest positive value of the type. */
function floats({ type, data }: Tensor): Float32Array | Float64Array {
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  if (type === 'float16' && data instanceof Uint16Array) return decodeFloat16s(data);
  throw new TemperError('UNSUPPORTED_DATA_TYPE', `a class output of type ${type}`, { hint: 'Name another `output`.' });
}

/**
 * Reads the class scores of a batch of `rows` images: [rows, K], with dims of 1 anywhere behind rows; K = 1 is one score for
 * two classes.
 * A graph with a constant Reshape can return another batch than went in, without an error of its own.
 * @param keys what error messages call the images
 * @throws TemperError EXECUTION_OUTPUT for another shape; NUMERIC_NONFINITE for NaN or +Infinity (log-probabilities may
 * be -Infinity)
 */
export function readClassOutput(
  session: Session,
  output: ValueInfo,
  outputs: Tensors,
  rows: number,
  keys?: readonly string[],
): ClassOutput {
  const tensor = outputs[output.name];
  if (tensor === undefined) throw wrong(session, `gave no output ${output.name}`, 'Name another `output`.');
  const [batch] = tensor.dims;
  const classes = scoresOf(tensor.dims) ?? 0;
  const shape = `output ${output.name} is [${tensor.dims.join(',')}]`;
  if (batch !== rows) {
    const hint =
      'The graph is fixed to another batch or image size (a constant Reshape): use its own, or export again.';
    throw wrong(session, `${shape} for a batch of ${rows}`, hint);
  }
  if (classes < 1) {
    throw wrong(session, `${shape}, expected [${rows},classes]`, 'Name the logits with `output`.');
  }
  const data = floats(tensor);
  const bad = data.findIndex((value) => Number.isNaN(value) || value === Number.POSITIVE_INFINITY);
  if (bad >= 0) {
    const row = Math.floor(bad / classes);
    const where = `${keys ? `${keys[row]}, ` : ''}row ${row} of ${rows}, class ${bad % classes}`;
    throw new TemperError('NUMERIC_NONFINITE', `${session.label}: ${shape}: ${data[bad]} in ${where}`, {
      hint: 'Check the weights (avg-ckpt diagnose) and the normalisation of the input; float16 may overflow.',
      details: { key: keys?.[row], row, class: bad % classes },
    });
  }
  const limits = FLOAT_LIMITS[tensor.type];
  if (!limits) throw new Error('floats() took it');
  return { rows, classes, data, ...limits };
}

/** What a loaded model's file says of its classes. @throws TemperError as classOutput */
export function modelClasses(session: Session, output?: string): ModelClasses {
  const scores = scoresOf(classOutput(session, output).dims);
  const count = scores === undefined ? undefined : classesOf(scores);
  return { label: session.label, count, names: session.facts().classNames };
}

interface ReadOptions {
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** What the user says that the outputs are. */
  readonly outputs?: 'auto' | OutputKind | undefined;
}

/** What was found out by running a network; it holds where neither the user nor the file says. */
export interface RanOutput {
  readonly kind?: OutputKind | undefined;
  readonly classes?: number | undefined;
  /** "the values of all images". */
  readonly source: string;
}

/** How a loaded model was read, as records keep it. @throws TemperError as classOutput, modelInput */
export function sessionReading(
  session: Session,
  { input, output, outputs = 'auto' }: ReadOptions,
  { kind, classes, source }: RanOutput,
  read: Pick<ReadModel, 'transform' | 'choice'> = {},
): ModelReading {
  const { name, dims } = classOutput(session, output);
  const facts = session.facts();
  const said = outputs === 'auto' ? facts.outputKind(name) : { value: outputs, source: '`outputs`' };
  const found = {
    kind: said ?? (kind && { value: kind, source }),
    classes: classes === undefined ? undefined : { value: classes, source },
  };
  return modelReading({
    ...{ model: session, input, facts, found },
    output: { name, dims, named: output !== undefined },
    ...read,
  });
}
