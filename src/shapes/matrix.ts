import { broadcast } from './elementwise.ts';
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

const gemm: Rule = (call) => {
  const [a, b] = [dimsOf(call, 0), dimsOf(call, 1)];
  const [m, k] = call.int('transA', 0) ? [a[1], a[0]] : [a[0], a[1]];
  const [depth, n] = call.int('transB', 0) ? [b[1], b[0]] : [b[0], b[1]];
  if (a.length !== 2 || k !== depth) throw new ShapeMismatch(`${shown(a)} times ${shown(b)}`);
  return [{ dims: [m as number, n as number] }];
};
const gemmDepth = (call: OperatorCall): number => dimsOf(call, 0)[call.int('transA', 0) ? 0 : 1] as number;

/** numpy's matmul; positions of the factors, as the quantized operator interleaves scales. */
const matmul =
  (first: number, second: number): Rule =>
  (call) => {
    const [left, right] = [dimsOf(call, first), dimsOf(call, second)];
    const a = left.length === 1 ? [1, ...left] : left;
    const b = right.length === 1 ? [...right, 1] : right;
    if (a.at(-1) !== b.at(-2)) throw new ShapeMismatch(`${shown(left)} times ${shown(right)}`);
    const rows = left.length === 1 ? [] : [a.at(-2) as number];
    const columns = right.length === 1 ? [] : [b.at(-1) as number];
    return [{ dims: [...broadcast(a.slice(0, -2), b.slice(0, -2)), ...rows, ...columns] }];
  };

/** The size of each index letter. @throws ShapeUnknown for an ellipsis; ShapeMismatch */
function letterSizes(call: OperatorCall): { sizes: Map<string, number>; output: string } {
  const equation = call.text('equation', '').replaceAll(' ', '');
  if (equation.includes('.') || !equation) throw new ShapeUnknown();
  const [left = '', right] = equation.split('->');
  const terms = left.split(',');
  const sizes = new Map<string, number>();
  for (const [i, term] of terms.entries()) {
    const dims = dimsOf(call, i);
    if (dims.length !== term.length) throw new ShapeMismatch(`${shown(dims)} as ${term}`);
    for (const [k, letter] of term.split('').entries()) {
      const known = sizes.get(letter) ?? 1;
      const size = dims[k] as number;
      if (known !== 1 && size !== 1 && known !== size) throw new ShapeMismatch(`${letter} is ${known} and ${size}`);
      sizes.set(letter, Math.max(known, size));
    }
  }
  const letters = terms.join('').split('');
  const once = [...sizes.keys()].filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter)).sort();
  return { sizes, output: right ?? once.join('') };
}

const einsum: Rule = (call) => {
  const { sizes, output } = letterSizes(call);
  return [{ dims: output.split('').map((letter) => sizes.get(letter) as number) }];
};

export const MATRIX: Readonly<Record<string, Rule>> = {
  Gemm: gemm,
  MatMul: matmul(0, 1),
  MatMulInteger: matmul(0, 1),
  QLinearMatMul: matmul(0, 3),
  Einsum: einsum,
};

const depthTimes =
  (first: number): CountMacs =>
  (call, output) =>
    product(output) * (dimsOf(call, first).at(-1) as number);

export const MATRIX_MACS: Readonly<Record<string, CountMacs>> = {
  Gemm: (call, output) => product(output) * gemmDepth(call),
  MatMul: depthTimes(0),
  MatMulInteger: depthTimes(0),
  QLinearMatMul: depthTimes(0),
  Einsum: (call) => product([...letterSizes(call).sizes.values()]),
};
