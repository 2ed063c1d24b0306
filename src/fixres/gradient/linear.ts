import { floatOf, intOf, intsOf, unsupportedForm } from './attributes.ts';
import { unbroadcast } from './broadcast.ts';
import type { Backward, GradientContext, Rules } from './rule.ts';

const gemm = (g: GradientContext, a: string, transA: boolean, b: string, transB: boolean): string =>
  g.emit('Gemm', [a, b], { transA: Number(transA), transB: Number(transB) });

const scaled = (g: GradientContext, value: string, by: number): string =>
  by === 1 ? value : g.emit('Mul', [value, g.floats([by])]);

/** Y = α A'B' + β C: dA' = α dY B'ᵀ, dB' = α A'ᵀ dY, each transposed where the input was. */
const gemmRule: Backward = (node, dy, g, needs) => {
  const [a = '', b = '', c] = node.inputs;
  const [alpha, beta] = [floatOf(node, 'alpha', 1), floatOf(node, 'beta', 1)];
  const [transA, transB] = [intOf(node, 'transA', 0) === 1, intOf(node, 'transB', 0) === 1];
  const da = (): string => (transA ? gemm(g, b, transB, dy, true) : gemm(g, dy, false, b, !transB));
  const db = (): string => (transB ? gemm(g, dy, true, a, transA) : gemm(g, a, !transA, dy, false));
  return [
    needs(0) ? scaled(g, da(), alpha) : undefined,
    needs(1) ? scaled(g, db(), alpha) : undefined,
    c && needs(2) ? scaled(g, unbroadcast(g, dy, node.outputs[0] as string, c), beta) : undefined,
  ];
};

/** Rows of a [..., K] value as [rows, K]. */
function asRows(g: GradientContext, value: string, columns: number): string {
  return g.dims(value).length === 2 ? value : g.emit('Reshape', [value, g.ints([-1, columns])]);
}

const swapped = (g: GradientContext, value: string, rank: number): string => {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  return g.emit('Transpose', [value], { perm: [...perm.slice(0, -2), rank - 1, rank - 2] });
};

/** A matrix of weights behind rows of any rank, or two stacks of matrices of equal sizes. */
const matMul: Backward = (node, dy, g, needs) => {
  const [a = '', b = ''] = node.inputs;
  const [left, right] = [g.dims(a), g.dims(b)];
  if (right.length === 2 && left.length >= 2) {
    const [k = 0, n = 0] = right;
    const da = (): string => g.emit('MatMul', [dy, swapped(g, b, 2)]);
    const db = (): string => {
      const rows = left.length === 2 ? dy : g.emit('Reshape', [dy, g.ints([-1, n])]);
      return gemm(g, asRows(g, a, k), true, rows, false);
    };
    return [needs(0) ? da() : undefined, needs(1) ? db() : undefined];
  }
  const stacks = left.length === right.length && left.length > 2;
  if (!stacks || left.slice(0, -2).some((size, axis) => size !== right[axis]))
    throw unsupportedForm(node, `[${left.join(', ')}] by [${right.join(', ')}]`);
  return [
    needs(0) ? g.emit('MatMul', [dy, swapped(g, b, right.length)]) : undefined,
    needs(1) ? g.emit('MatMul', [swapped(g, a, left.length), dy]) : undefined,
  ];
};

/** A 1x1 convolution is a linear layer of every position: X [N, K, L], W [M, K], Y = W X + b. */
const conv: Backward = (node, dy, g, needs) => {
  const [x = '', w = '', bias] = node.inputs;
  const [m = 0, k = 0, ...kernel] = g.dims(w);
  const plain =
    kernel.every((size) => size === 1) &&
    intOf(node, 'group', 1) === 1 &&
    !intsOf(node, 'pads')?.some((by) => by !== 0) &&
    !intsOf(node, 'strides')?.some((by) => by !== 1);
  if (!plain) throw unsupportedForm(node, `a convolution of [${kernel.join(', ')}], expected 1x1 of one group`);
  const positions = g.emit('Reshape', [dy, g.ints([0, m, -1])]);
  const dx = (): string => {
    const weights = g.emit('Reshape', [w, g.ints([m, k])]);
    const back = g.emit('MatMul', [swapped(g, weights, 2), positions]);
    return g.emit('Reshape', [back, g.emit('Shape', [x])]);
  };
  const dw = (): string => {
    const inputs = g.emit('Reshape', [x, g.ints([0, k, -1])]);
    const rows = (value: string, columns: number): string =>
      g.emit('Reshape', [g.emit('Transpose', [value], { perm: [0, 2, 1] }), g.ints([-1, columns])]);
    return g.emit('Reshape', [gemm(g, rows(positions, m), true, rows(inputs, k), false), g.emit('Shape', [w])]);
  };
  return [
    needs(0) ? dx() : undefined,
    needs(1) ? dw() : undefined,
    bias && needs(2) ? g.emit('ReduceSum', [positions, g.ints([0, 2])], { keepdims: 0 }) : undefined,
  ];
};

export const LINEAR: Rules = { Gemm: gemmRule, MatMul: matMul, Conv: conv };
