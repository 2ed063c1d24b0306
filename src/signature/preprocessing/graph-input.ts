import { TemperError } from '../../core/index.ts';
import type { Layout, Size } from '../../data/index.ts';
import {
  asFloatType,
  attributeOf,
  DATA_TYPE,
  decodeFloats,
  elementCount,
  type GraphIndex,
  indexGraph,
  type Model,
  type NodeRecord,
  readPayload,
  type TensorRecord,
} from '../../onnx/index.ts';

/** What a graph does with its image input before the network proper. */
export interface GraphInput {
  /** x becomes scale · x + shift, by channel of the input, in its order; absent where nothing is computed. */
  readonly scale?: readonly number[];
  readonly shift?: readonly number[];
  /** Whether channels are turned: the network behind takes the other order. */
  readonly flips: boolean;
  /** What Transpose says of the input. */
  readonly layout?: Layout;
  /** What Resize makes of it. */
  readonly size?: Size;
  /** The operators, for messages. */
  readonly operators: readonly string[];
}

/** No preprocessing is longer. */
const MAX_STEPS = 32;
const MAX_ELEMENTS = 64;

/** Values of a small constant; undefined for what is large, of another type or not there. */
function constantValues(model: Model, tensor: TensorRecord | undefined): number[] | undefined {
  if (!tensor || elementCount(tensor.dims) > MAX_ELEMENTS) return undefined;
  try {
    const bytes = readPayload(model, tensor);
    if (asFloatType(tensor.dataType) !== undefined) {
      return Array.from(decodeFloats(bytes, tensor.dataType, tensor.name));
    }
    const { buffer } = new Uint8Array(bytes);
    if (tensor.dataType === DATA_TYPE.int64) return Array.from(new BigInt64Array(buffer), Number);
    return tensor.dataType === DATA_TYPE.int32 ? Array.from(new Int32Array(buffer)) : undefined;
  } catch (error) {
    // Data that is not there: the session says so.
    if (error instanceof TemperError) return undefined;
    throw error;
  }
}

/** What is followed: one value, from the input on. */
interface State {
  name: string;
  /** Axis of the channels; undefined where dims do not tell. */
  axis: number | undefined;
  channels: number;
  scale: number[];
  shift: number[];
  flips: boolean;
  computes: boolean;
  layout: Layout | undefined;
  size: Size | undefined;
  readonly operators: string[];
}

/** A constant's value for each channel of the input, in its order; undefined where it varies otherwise. */
function perChannel(state: State, tensor: TensorRecord, values: readonly number[]): number[] | undefined {
  const { channels, flips } = state;
  if (values.length === 1) return new Array<number>(channels).fill(values[0] as number);
  const place = tensor.dims.findIndex((dim) => dim !== 1);
  const axis = 4 - tensor.dims.length + place;
  if (values.length !== channels || axis !== (state.axis ?? axis) || (axis !== 1 && axis !== 3)) return undefined;
  state.axis = axis;
  return flips ? values.toReversed() : [...values];
}

type Arithmetic = (state: State, by: readonly number[]) => void;

const shifted =
  (sign: number): Arithmetic =>
  (state, by) => {
    state.shift = state.shift.map((value, c) => value + sign * (by[c] as number));
  };
const scaled =
  (power: number): Arithmetic =>
  (state, by) => {
    const times = (value: number, c: number): number => value * (by[c] as number) ** power;
    state.scale = state.scale.map(times);
    state.shift = state.shift.map(times);
  };

const ARITHMETIC: Readonly<Record<string, Arithmetic>> = {
  Sub: shifted(-1),
  Add: shifted(1),
  Mul: scaled(1),
  Div: scaled(-1),
};

/** @returns whether the node was understood */
type Step = (state: State, node: NodeRecord, index: GraphIndex, model: Model) => boolean;

const arithmetic: Step = (state, node, index, model) => {
  const slot = node.inputs.indexOf(state.name);
  const commutes = node.opType === 'Add' || node.opType === 'Mul';
  const tensor = index.stored.get(node.inputs[1 - slot] ?? '');
  const values = constantValues(model, tensor);
  if (!tensor || !values || (slot !== 0 && !commutes)) return false;
  const by = perChannel(state, tensor, values);
  if (
    !by?.every(Number.isFinite) ||
    (node.opType !== 'Add' && node.opType !== 'Sub' && by.some((value) => value === 0))
  ) {
    return false;
  }
  ARITHMETIC[node.opType]?.(state, by);
  state.computes = true;
  return true;
};

const transpose: Step = (state, node, _index, model) => {
  const order = constantValues(model, attributeOf(node, 'perm')?.ints)?.join();
  if (order !== '0,3,1,2' && order !== '0,2,3,1') return false;
  const [from, to] = order === '0,3,1,2' ? [3, 1] : [1, 3];
  if ((state.axis ?? from) !== from) return false;
  state.layout ??= from === 3 ? 'NHWC' : 'NCHW';
  state.axis = to;
  return true;
};

/** Channels gathered in reverse. */
const gather: Step = (state, node, index, model) => {
  const axis = Number(attributeOf(node, 'axis')?.i ?? 0n);
  const tensor = index.stored.get(node.inputs[1] ?? '');
  const order = constantValues(model, tensor)?.join();
  const place = axis < 0 ? axis + 4 : axis;
  if (node.inputs[0] !== state.name || order !== '2,1,0' || place !== (state.axis ?? place)) return false;
  state.axis = place;
  state.flips = !state.flips;
  return true;
};

const resize: Step = (state, node, index, model) => {
  const sizes = constantValues(model, index.stored.get(node.inputs[3] ?? ''));
  if (node.inputs[0] !== state.name || sizes?.length !== 4) return false;
  const [height, width] = state.axis === 3 ? [sizes[1], sizes[2]] : [sizes[2], sizes[3]];
  if (!(height && width && height > 0 && width > 0)) return false;
  state.size ??= { height, width };
  return true;
};

const passes: Step = (state, node) => node.inputs[0] === state.name;

const STEPS: Readonly<Record<string, Step>> = {
  Identity: passes,
  Cast: passes,
  ...{ Sub: arithmetic, Add: arithmetic, Mul: arithmetic, Div: arithmetic },
  Transpose: transpose,
  Gather: gather,
  Resize: resize,
};

/** Dims of the input, as axis and number of channels. */
function startOf(model: Pick<Model, 'record'>, name: string): Pick<State, 'axis' | 'channels'> {
  const dims = model.record.graph.inputs.find((input) => input.name === name)?.tensorType?.dims ?? [];
  const isCount = (dim: unknown): boolean => dim === 1 || dim === 3;
  const axis = isCount(dims[1]) ? 1 : isCount(dims[3]) ? 3 : undefined;
  return { axis, channels: axis !== undefined && dims[axis] === 1 ? 1 : 3 };
}

/**
 * Follows an image input through arithmetic with constants, casts, transpositions, channel flips and resizes, as far as each value
 * is read once.
 * @param name the input's
 * @returns undefined where the graph begins with the network
 */
function graphInput(model: Model, index: GraphIndex, name: string): GraphInput | undefined {
  const { axis, channels } = startOf(model, name);
  const ones = new Array<number>(channels).fill(1);
  const state: State = {
    ...{ name, axis, channels, scale: ones, shift: ones.map(() => 0), flips: false, computes: false },
    ...{ layout: undefined, size: undefined, operators: [] },
  };
  for (let steps = 0; steps < MAX_STEPS && index.uses(state.name) === 1; steps++) {
    const node = index.nodes.find(({ inputs }) => inputs.includes(state.name));
    const step = node && node.domain === '' && Object.hasOwn(STEPS, node.opType) ? STEPS[node.opType] : undefined;
    if (!node || !step?.(state, node, index, model)) break;
    state.operators.push(node.opType);
    state.name = node.outputs[0] ?? '';
  }
  const { scale, shift, flips, computes, layout, size, operators } = state;
  if (!(computes || flips || layout || size)) return undefined;
  return {
    ...(computes && { scale, shift }),
    flips,
    ...(layout && { layout }),
    ...(size && { size }),
    operators,
  };
}

/** What a graph does with each of its inputs that may be images, by name. */
export function graphInputs(model: Model): ReadonlyMap<string, GraphInput> {
  const index = indexGraph(model);
  const images = model.record.graph.inputs.filter(
    ({ name, tensorType }) => tensorType?.dims?.length === 4 && !index.initializers.has(name),
  );
  return new Map(
    images.flatMap(({ name }) => {
      const found = graphInput(model, index, name);
      return found ? [[name, found] as const] : [];
    }),
  );
}
