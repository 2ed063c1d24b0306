import {
  type CountMacs,
  dimsOf,
  type OperatorCall,
  product,
  type Rule,
  ShapeMismatch,
  ShapeUnknown,
  shown,
} from './known.ts';

/** A window that slides over the spatial axes. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before and after each axis. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** The window that the attributes give on a map, auto_pad resolved. */
export function windowOf(call: OperatorCall, map: readonly number[], kernel: readonly number[]): Window {
  const strides = call.ints('strides') ?? map.map(() => 1);
  const dilations = call.ints('dilations') ?? map.map(() => 1);
  const auto = call.text('auto_pad', 'NOTSET');
  const pads = auto === 'NOTSET' ? call.ints('pads') : undefined;
  if (kernel.length !== map.length || strides.length !== map.length) {
    throw new ShapeMismatch(`a window of ${kernel.length} axes over a map ${shown(map)}`);
  }
  const totals = map.map((size, i) => {
    if (!auto.startsWith('SAME')) return 0;
    const [stride = 1, reach] = [strides[i], ((kernel[i] as number) - 1) * (dilations[i] as number) + 1];
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach - size);
  });
  const small = totals.map((total) => Math.floor(total / 2));
  const large = totals.map((total, i) => total - (small[i] as number));
  const [before, after] = auto === 'SAME_LOWER' ? [large, small] : [small, large];
  return {
    kernel,
    strides,
    dilations,
    before: pads?.slice(0, map.length) ?? before,
    after: pads?.slice(map.length) ?? after,
  };
}

/** How many places a window has on each axis. @throws ShapeMismatch if it does not fit once */
export function places(map: readonly number[], window: Window, ceil: boolean): number[] {
  return map.map((size, i) => {
    const [stride, before] = [window.strides[i] as number, window.before[i] as number];
    const reach = ((window.kernel[i] as number) - 1) * (window.dilations[i] as number) + 1;
    const room = size + before + (window.after[i] as number) - reach;
    let count = (ceil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
    // A window that would start behind the input and its left padding is dropped (ONNX AveragePool-19, MaxPool).
    if (ceil && (count - 1) * stride >= size + before) count--;
    if (room < 0 || count < 1) throw new ShapeMismatch(`a window of ${reach} does not fit a map of ${size}`);
    return count;
  });
}

/** Positions of x and weights among the inputs: the quantized operators interleave scales and zero points. */
const convolution =
  (x: number, w: number): Rule =>
  (call) => {
    const [dims, weights] = [dimsOf(call, x), dimsOf(call, w)];
    const [n = 0, channels = 0, ...map] = dims;
    const [out = 0, perGroup = 0, ...kernel] = weights;
    if (perGroup * call.int('group', 1) !== channels) {
      throw new ShapeMismatch(`${shown(dims)} and weights ${shown(weights)}`);
    }
    return [{ dims: [n, out, ...places(map, windowOf(call, map, kernel), false)] }];
  };

const transposed: Rule = (call) => {
  const [n = 0, channels = 0, ...map] = dimsOf(call, 0);
  const [input = 0, perGroup = 0, ...kernel] = dimsOf(call, 1);
  if (input !== channels) throw new ShapeMismatch(`${channels} channels and weights for ${input}`);
  const size = map.length;
  const fixed = call.ints('output_shape');
  const [strides, dilations] = [call.ints('strides') ?? map.map(() => 1), call.ints('dilations') ?? map.map(() => 1)];
  const pads = call.ints('pads') ?? new Array<number>(2 * size).fill(0);
  const extra = call.ints('output_padding') ?? map.map(() => 0);
  const auto = call.text('auto_pad', 'NOTSET');
  const out = map.map((length, i) => {
    const at = (list: readonly number[]): number => list[i] as number;
    if (fixed) return at(fixed);
    if (auto.startsWith('SAME')) return length * at(strides);
    const reach = (at(kernel) - 1) * at(dilations) + 1;
    return at(strides) * (length - 1) + at(extra) + reach - at(pads) - (pads[i + size] as number);
  });
  return [{ dims: [n, perGroup * call.int('group', 1), ...out] }];
};

const pool: Rule = (call) => {
  const [n = 0, channels = 0, ...map] = dimsOf(call, 0);
  const kernel = call.ints('kernel_shape');
  if (!kernel) throw new ShapeUnknown();
  const dims = [n, channels, ...places(map, windowOf(call, map, kernel), call.int('ceil_mode', 0) === 1)];
  return Array.from({ length: call.outputCount }, () => ({ dims }));
};

const globalPool: Rule = (call) => {
  const [n = 0, channels = 0, ...map] = dimsOf(call, 0);
  return [{ dims: [n, channels, ...map.map(() => 1)] }];
};

export const CONVOLUTION: Readonly<Record<string, Rule>> = {
  Conv: convolution(0, 1),
  ConvInteger: convolution(0, 1),
  QLinearConv: convolution(0, 3),
  ConvTranspose: transposed,
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
};

/** Each output value is a sum over a window of the channels of its group. */
const perOutput =
  (w: number): CountMacs =>
  (call, output) => {
    const [, ...window] = dimsOf(call, w);
    return product(output) * product(window);
  };

export const CONVOLUTION_MACS: Readonly<Record<string, CountMacs>> = {
  Conv: perOutput(1),
  ConvInteger: perOutput(1),
  QLinearConv: perOutput(3),
  // Each input value is spread over a window of the output channels of its group.
  ConvTranspose: (call) => product(dimsOf(call, 0)) * product(dimsOf(call, 1).slice(1)),
};
