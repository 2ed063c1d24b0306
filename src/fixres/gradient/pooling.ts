import type { NewNode } from '../../onnx/index.ts';
import { intOf, intsOf, textOf, unsupportedForm } from './attributes.ts';
import type { Backward, GradientContext, Rules } from './rule.ts';

/** Repeats a gradient (its reduced axes kept as 1) over the input's shape, divided by the number of values averaged. */
function spread(g: GradientContext, dy: string, x: string, count: number): string {
  const share = g.emit('Mul', [dy, g.floats([1 / count])]);
  return g.emit('Expand', [share, g.emit('Shape', [x])]);
}

const globalAveragePool: Backward = ({ inputs }, dy, g) => {
  const [x = ''] = inputs;
  const count = g
    .dims(x)
    .slice(2)
    .reduce((product, size) => product * size, 1);
  return [spread(g, dy, x, count)];
};

const reduceMean: Backward = (node, dy, g) => {
  const [x = ''] = node.inputs;
  const dims = g.dims(x);
  if (node.inputs[1]) throw unsupportedForm(node, 'axes that are computed');
  const axes = (intsOf(node, 'axes') ?? dims.map((_, axis) => axis)).map((axis) => (axis + dims.length) % dims.length);
  const count = axes.reduce((product, axis) => product * (dims[axis] as number), 1);
  const kept =
    intOf(node, 'keepdims', 1) === 1 ? dy : g.emit('Unsqueeze', [dy, g.ints([...axes].sort((a, b) => a - b))]);
  return [spread(g, kept, x, count)];
};

/** Begin and end of the padding of each axis. */
function paddingOf(node: NewNode, sizes: readonly number[], kernel: readonly number[], strides: readonly number[]) {
  const auto = textOf(node, 'auto_pad', 'NOTSET');
  const given = intsOf(node, 'pads') ?? sizes.flatMap(() => [0, 0]);
  return sizes.map((size, i) => {
    if (auto === 'NOTSET') return [given[i] as number, given[i + sizes.length] as number] as const;
    if (auto === 'VALID') return [0, 0] as const;
    const [k, s] = [kernel[i] as number, strides[i] as number];
    const total = Math.max(0, (Math.ceil(size / s) - 1) * s + k - size);
    const half = Math.floor(total / 2);
    return auto === 'SAME_LOWER' ? ([total - half, half] as const) : ([half, total - half] as const);
  });
}

/** How many values of the picture each window of an axis holds. */
function inWindow(size: number, outputs: number, kernel: number, stride: number, before: number): number[] {
  return Array.from({ length: outputs }, (_, at) => {
    const start = at * stride - before;
    return Math.min(size, start + kernel) - Math.max(0, start);
  });
}

/**
 * Each value's gradient is the sum over the windows that hold it: a transposed convolution with ones, channel by channel,
 * of dy over the number of values in the window.
 */
const averagePool: Backward = (node, dy, g) => {
  const [x = ''] = node.inputs;
  const [y = ''] = node.outputs;
  const [sizes, outputs] = [g.dims(x).slice(2), g.dims(y).slice(2)];
  const kernel = intsOf(node, 'kernel_shape') ?? [];
  const strides = intsOf(node, 'strides') ?? kernel.map(() => 1);
  if (sizes.length !== 2 || kernel.length !== 2) throw unsupportedForm(node, `pooling over ${sizes.length} axes`);
  if (intsOf(node, 'dilations')?.some((by) => by !== 1)) throw unsupportedForm(node, 'dilations');
  const pads = paddingOf(node, sizes, kernel, strides);
  const rest = sizes.map((size, i) => {
    const covered = ((outputs[i] as number) - 1) * (strides[i] as number) + (kernel[i] as number);
    return size - (covered - (pads[i]?.[0] ?? 0) - (pads[i]?.[1] ?? 0));
  });
  if (rest.some((by, i) => by < 0 || by >= (strides[i] as number)))
    throw unsupportedForm(node, 'windows that begin in the padding (ceil_mode)');
  const includesPads = intOf(node, 'count_include_pad', 0) === 1;
  const counts = sizes.map((size, i) =>
    includesPads
      ? new Array<number>(outputs[i] as number).fill(kernel[i] as number)
      : inWindow(size, outputs[i] as number, kernel[i] as number, strides[i] as number, pads[i]?.[0] ?? 0),
  );
  const [rows = [], columns = []] = counts;
  const shares = rows.flatMap((a) => columns.map((b) => 1 / (a * b)));
  const share = g.emit('Mul', [dy, g.floats(shares, [1, 1, rows.length, columns.length])]);
  const flat = g.emit('Reshape', [share, g.ints([-1, 1, rows.length, columns.length])]);
  const ones = g.floats(new Float32Array((kernel[0] as number) * (kernel[1] as number)).fill(1), [1, 1, ...kernel]);
  const sums = g.emit('ConvTranspose', [flat, ones], {
    kernel_shape: kernel,
    strides,
    pads: [...pads.map(([before]) => before), ...pads.map(([, after]) => after)],
    output_padding: rest,
  });
  return [g.emit('Reshape', [sums, g.emit('Shape', [x])])];
};

export const POOLING: Rules = {
  GlobalAveragePool: globalAveragePool,
  ReduceMean: reduceMean,
  AveragePool: averagePool,
};
