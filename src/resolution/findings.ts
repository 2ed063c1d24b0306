import {
  cutsOf,
  dimsOf,
  type InferredGraph,
  type InferredNode,
  places,
  ShapeMismatch,
  ShapeUnknown,
  shown,
  windowOf,
} from '../shapes/index.ts';

/** A node whose constants do not follow the image size: it may run at another size, and mean something else. */
export interface SizeFinding {
  /** The node's name, or that of its first output. */
  readonly node: string;
  readonly operator: string;
  readonly what: string;
}

/** The same node at the reference size and at another. */
interface Pair {
  readonly reference: InferredNode;
  readonly other: InferredNode;
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const varies = ({ before, after }: Pair, axis: number): boolean => before[axis] !== after[axis];

/** Runs of axes of equal product: [2,64,7,7] as [2,64,49] is 2|2, 64|64, 7·7|49. As pairs of end positions. */
function runsOf(input: readonly number[], output: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  let [i, j, left, right] = [0, 0, 1, 1];
  while (i < input.length || j < output.length) {
    if ((left <= right && i < input.length) || j >= output.length) left *= input[i++] as number;
    else right *= output[j++] as number;
    if (left === right) {
      runs.push([i, j]);
      [left, right] = [1, 1];
    }
  }
  return runs;
}

/** Whether everything that varies goes whole into the target's -1, or is copied by a 0. */
function absorbed(pair: Pair, target: readonly number[], output: readonly number[]): boolean {
  let [i, j] = [0, 0];
  for (const [end, outEnd] of runsOf(pair.after, output)) {
    const changed = Array.from({ length: end - i }, (_, k) => i + k).some((axis) => varies(pair, axis));
    const only = outEnd - j === 1 ? target[j] : undefined;
    if (changed && only !== -1 && only !== 0) return false;
    [i, j] = [end, outEnd];
  }
  return true;
}

type Look = (pair: Pair) => string | undefined;

const reshape: Look = (pair) => {
  const [old, target] = [pair.reference, pair.other].map(({ call }) => call.ints('shape') ?? call.inputs[1]?.values);
  const output = pair.other.outputs[0]?.dims;
  if (!target || !output || !old || shown(old) !== shown(target)) return undefined;
  return absorbed(pair, target, output)
    ? undefined
    : `a constant shape ${shown(target)} for ${shown(pair.before)} takes ${shown(pair.after)}`;
};

const slice: Look = (pair) => {
  const [before, after] = [cutsOf(pair.reference.call), cutsOf(pair.other.call)];
  for (const [k, { axis, start, length }] of after.entries()) {
    // A first element alone is a class token.
    if (!varies(pair, axis) || (start === 0 && length === 1)) continue;
    if (before[k]?.length === length)
      return `cuts ${length} of ${pair.after[axis]} as of ${pair.before[axis]} (a roll or a window)`;
  }
  return undefined;
};

const gather: Look = (pair) => {
  const { call } = pair.other;
  const axis = call.int('axis', 0);
  const indices = call.inputs[1];
  const constant = indices?.values && !indices.fromImage && indices.values.length > 1;
  return constant && varies(pair, axis < 0 ? axis + pair.after.length : axis)
    ? `takes ${indices.values?.length} constant places of ${pair.after[axis]} as of ${pair.before[axis]}`
    : undefined;
};

/** A window that was the whole map at the reference size is global pooling; where it leaves rows out, it no longer is. */
const pool: Look = ({ reference, other, after }) => {
  const whole = reference.outputs[0]?.dims?.slice(2).every((dim) => dim === 1);
  const kernel = other.call.ints('kernel_shape');
  if (!whole || !kernel) return undefined;
  const map = after.slice(2);
  const window = windowOf(other.call, map, kernel);
  const counts = places(map, window, other.call.int('ceil_mode', 0) === 1);
  const ignored = map.map((size, i) => {
    const at = (list: readonly number[]): number => list[i] as number;
    const reach = (at(counts) - 1) * at(window.strides) + (at(kernel) - 1) * at(window.dilations) + 1;
    return Math.max(0, size + at(window.before) - reach);
  });
  if (ignored.every((rows) => rows === 0)) return undefined;
  return `a window of ${kernel.join('x')} ignores ${ignored.join(' and ')} border rows and columns of a map of ${map.join('x')}`;
};

const resize: Look = (pair) => {
  const [old, now] = [pair.reference, pair.other].map(({ outputs }) => outputs[0]?.dims);
  const fixed = old && now && pair.after.some((_, axis) => varies(pair, axis) && old[axis] === now[axis]);
  return fixed ? `resizes to a constant ${shown(now)}` : undefined;
};

/** A constant that is larger than the map is spread over it, where it once was of the map's size. */
const spread: Look = ({ reference, other, before, after }) => {
  const constant = other.call.inputs.some((input) => input && !input.fromImage);
  const [old, now] = [reference, other].map(({ outputs }) => outputs[0]?.dims);
  if (!constant || !old || !now || shown(old) !== shown(before) || shown(now) === shown(after)) return undefined;
  return `a constant makes ${shown(now)} of ${shown(after)}, as a position embedding of another size`;
};

/** By operator: a Map, as a file may name an operator toString. */
const LOOKS: ReadonlyMap<string, Look> = new Map([
  ['Reshape', reshape],
  ['Slice', slice],
  ['Gather', gather],
  ['AveragePool', pool],
  ['MaxPool', pool],
  ['LpPool', pool],
  ['Resize', resize],
  ['Upsample', resize],
  ['Add', spread],
  ['Sub', spread],
  ['Mul', spread],
  ['Div', spread],
]);

const nameOf = ({ node }: InferredNode): string => node.name || (node.outputs[0] ?? '');

/**
 * What in a graph was made for the reference size and does not follow to another: constant Reshape targets, rolls and
 * windows cut by constants, pooling windows that no longer cover the map, constants spread over it, operators without a
 * rule. None means that every operator before the scores treats any map alike; a graph that cannot run at all is found by
 * running it.
 */
export function sizeFindings(reference: InferredGraph, other: InferredGraph): SizeFinding[] {
  const findings: SizeFinding[] = other.unknown.map((operator) => {
    const node = other.nodes.find((one) => operator.endsWith(one.node.opType));
    return {
      node: node ? nameOf(node) : '',
      operator,
      what: 'the operator is not known, nothing is verified behind it',
    };
  });
  if (other.mismatch) {
    // onnxruntime may run it all the same: a pooling window that is larger than its map.
    const { node, message } = other.mismatch;
    findings.push({ node: node.name || (node.outputs[0] ?? ''), operator: node.opType, what: message });
  }
  for (const [i, now] of other.nodes.entries()) {
    const then = reference.nodes[i];
    const look = now.node.domain === '' ? LOOKS.get(now.node.opType) : undefined;
    if (!look || !then) continue;
    const image = now.call.inputs.findIndex((input) => input?.fromImage);
    if (image < 0) continue;
    try {
      const pair = { reference: then, other: now, before: dimsOf(then.call, image), after: dimsOf(now.call, image) };
      if (shown(pair.before) === shown(pair.after)) continue;
      const what = look(pair);
      if (what !== undefined) findings.push({ node: nameOf(now), operator: now.node.opType, what });
    } catch (error) {
      // It does not run at this size, or stands behind what does not: the session reports that.
      if (!(error instanceof ShapeUnknown || error instanceof ShapeMismatch)) throw error;
    }
  }
  return findings;
}
