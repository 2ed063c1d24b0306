import type { Expression, NormScale, Operand } from './expression.ts';
import {
  type Channels,
  eachChannel,
  foldedBias,
  foldedScale,
  foldedWeight,
  type ScaleValues,
} from './fold-arithmetic.ts';
import type { Values } from './values.ts';
import { readView } from './view.ts';

/** What an expression is computed from. */
export interface Inputs {
  /** Values of a tensor of the state dict, in its own order. */
  readonly values: (key: string) => Values;
  /** The template's own values of the tensor that is computed: what stays of it. */
  readonly own: () => Values;
}

const FIRST: Channels = { axis: 0, groups: 1 };

const like = (values: Values, count: number): Values =>
  values instanceof Float64Array ? new Float64Array(count) : new Float32Array(count);

/** Each value through a function; float32 values are rounded after it, as torch does. */
function mapped(values: Values, change: (value: number, i: number) => number): Values {
  const out = like(values, values.length);
  for (let i = 0; i < values.length; i++) out[i] = change(values[i] as number, i);
  return out;
}

export function scaleValues(values: Inputs['values'], { scale, variance, epsilon }: NormScale): ScaleValues {
  return { scale: scale === undefined ? undefined : values(scale), variance: values(variance), epsilon };
}

function operandValues({ values }: Inputs, { key, view }: Operand): Values {
  return view ? readView(values(key), view) : values(key);
}

const inOrder = (values: Values, { view }: Operand): Values => (view ? readView(values, view) : values);

/** (w − mean)/√(variance + ε)·gain·factor of every output channel, variance biased, in float64 (Qiao et al. 2019, arXiv 1903.10520). */
function standardised(
  weight: Values,
  dims: readonly number[],
  gain: Values | undefined,
  factor: number,
  epsilon: number,
): Float64Array {
  const out = new Float64Array(weight.length);
  eachChannel(dims, FIRST, (c, start, end) => {
    const { mean, variance } = channelMoments(weight, start, end);
    const scale = ((gain?.[c] ?? 1) * factor) / Math.sqrt(variance + epsilon);
    for (let i = start; i < end; i++) out[i] = ((weight[i] as number) - mean) * scale;
  });
  return out;
}

/** gain·w/‖w‖ of every output channel, in float64 (weight normalisation: Salimans and Kingma 2016, arXiv 1602.07868). */
function normalised(weight: Values, dims: readonly number[], gain: Values): Float64Array {
  const out = new Float64Array(weight.length);
  eachChannel(dims, FIRST, (c, start, end) => {
    const scale = (gain[c] as number) / channelNorm(weight, start, end);
    for (let i = start; i < end; i++) out[i] = (weight[i] as number) * scale;
  });
  return out;
}

/** Euclidean norm of some elements. */
export function channelNorm(values: Values, start: number, end: number): number {
  let squares = 0;
  for (let i = start; i < end; i++) squares += (values[i] as number) ** 2;
  return Math.sqrt(squares);
}

/** Mean and biased variance of some elements. */
export function channelMoments(
  values: Values,
  start: number,
  end: number,
): { readonly mean: number; readonly variance: number } {
  let sum = 0;
  for (let i = start; i < end; i++) sum += values[i] as number;
  const mean = sum / (end - start);
  let squares = 0;
  for (let i = start; i < end; i++) squares += ((values[i] as number) - mean) ** 2;
  return { mean, variance: squares / (end - start) };
}

function gathered(table: Values, rows: Int32Array, width: number, inner: number): Values {
  const out = like(table, rows.length * width);
  for (let r = 0; r < rows.length; r++) {
    const at = Math.floor(r / inner) * width * inner + (r % inner);
    const from = (rows[r] as number) * width;
    for (let w = 0; w < width; w++) out[at + w * inner] = table[from + w] as number;
  }
  return out;
}

function joined(expression: Expression & { kind: 'joined' }, inputs: Inputs): Values {
  const own = inputs.own();
  const out = own.slice();
  let at = 0;
  for (const { operand, factor, count } of expression.parts) {
    if (operand) {
      const values = operandValues(inputs, operand);
      out.set(factor === undefined ? values : mapped(values, (value) => value * factor), at);
    }
    at += count;
  }
  return expression.view ? readView(out, expression.view) : out;
}

/**
 * Computes a tensor of the graph.
 *
 * Numerics: the arithmetic that the map proved; float32 values are rounded after each step unless it is 'float64'. Memory: the tensors
 * that the expression reads, and the result.
 * @returns values in the order of the graph's tensor, of its type or of more digits
 */
export function evaluate(expression: Expression, inputs: Inputs): Values {
  switch (expression.kind) {
    case 'constant':
      return inputs.own();
    case 'copy':
      return operandValues(inputs, expression.of);
    case 'scaled':
      return mapped(operandValues(inputs, expression.of), (value) => value * expression.factor);
    case 'exponential':
      return mapped(operandValues(inputs, expression.of), (value) => Math.exp(Math.min(value, expression.most)));
    case 'sum': {
      const [a, b] = expression.terms.map((operand) => operandValues(inputs, operand)) as [Values, Values];
      return mapped(a, (value, i) => value + (b[i] as number));
    }
    case 'joined':
      return joined(expression, inputs);
    case 'gathered':
      return gathered(operandValues(inputs, expression.of), expression.rows, expression.width, expression.inner);
    case 'folded scale':
      return foldedScale(scaleValues(inputs.values, expression.norm), expression.arithmetic);
    case 'folded weight': {
      const { of, channels, norm, arithmetic } = expression;
      return inOrder(
        foldedWeight(inputs.values(of.key), of.dims, channels, scaleValues(inputs.values, norm), arithmetic),
        of,
      );
    }
    case 'folded bias': {
      const { norm, shift, arithmetic, form } = expression;
      const optional = (key: string | undefined) => (key === undefined ? undefined : inputs.values(key));
      const terms = { mean: inputs.values(shift.mean), shift: optional(shift.shift), bias: optional(shift.bias) };
      return foldedBias(scaleValues(inputs.values, norm), terms, arithmetic, form);
    }
    case 'normalised': {
      const { of, gain } = expression;
      return inOrder(normalised(inputs.values(of.key), of.dims, inputs.values(gain)), of);
    }
    case 'standardised': {
      const { of, gain, factor, epsilon } = expression;
      const values = standardised(
        inputs.values(of.key),
        of.dims,
        gain === undefined ? undefined : inputs.values(gain),
        factor,
        epsilon,
      );
      return inOrder(values, of);
    }
  }
}
