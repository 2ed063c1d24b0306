import { createHash } from 'node:crypto';
import type { Arithmetic, BiasForm, Channels } from './fold-arithmetic.ts';
import { type View, viewText } from './view.ts';

/** A tensor of the state dict, in its own order or as a view. */
export interface Operand {
  readonly key: string;
  readonly dims: readonly number[];
  readonly view?: View;
}

/** γ/√(σ²+ε) of a BatchNormalization of the state dict; γ may be missing (1). */
export interface NormScale {
  readonly scale?: string;
  readonly variance: string;
  readonly epsilon: number;
}

/** What its bias is made of beside that; β may be missing (0), b is the convolution's own. */
export interface NormShift {
  readonly mean: string;
  readonly shift?: string;
  readonly bias?: string;
}

/** What a part of a joined tensor is: a weight, or the template's own values (zeros where a bias has none). */
export interface Part {
  readonly operand?: Operand;
  readonly factor?: number;
  readonly count: number;
}

/** How a tensor of the graph follows from the state dict. */
export type Expression =
  | { readonly kind: 'constant' }
  | { readonly kind: 'copy'; readonly of: Operand }
  | { readonly kind: 'scaled'; readonly of: Operand; readonly factor: number }
  | { readonly kind: 'sum'; readonly terms: readonly [Operand, Operand] }
  | { readonly kind: 'joined'; readonly parts: readonly Part[]; readonly view?: View }
  | {
      readonly kind: 'gathered';
      readonly of: Operand;
      readonly rows: Int32Array;
      readonly width: number;
      readonly inner: number;
    }
  | { readonly kind: 'exponential'; readonly of: Operand; readonly most: number }
  | {
      readonly kind: 'folded weight';
      readonly of: Operand;
      readonly channels: Channels;
      readonly norm: NormScale;
      readonly arithmetic: Arithmetic;
    }
  | { readonly kind: 'folded scale'; readonly norm: NormScale; readonly arithmetic: Arithmetic }
  | {
      readonly kind: 'folded bias';
      readonly norm: NormScale;
      readonly shift: NormShift;
      readonly arithmetic: Arithmetic;
      readonly form: BiasForm;
    }
  | { readonly kind: 'normalised'; readonly of: Operand; readonly gain: string }
  | {
      readonly kind: 'standardised';
      readonly of: Operand;
      readonly gain?: string;
      readonly factor: number;
      readonly epsilon: number;
    };

const given = (...keys: readonly (string | undefined)[]): string[] => keys.filter((key) => key !== undefined);

/** The tensors of the state dict that an expression reads. */
export function keysOf(expression: Expression): string[] {
  switch (expression.kind) {
    case 'constant':
      return [];
    case 'sum':
      return expression.terms.map(({ key }) => key);
    case 'joined':
      return expression.parts.flatMap(({ operand }) => operand?.key ?? []);
    case 'folded weight':
      return given(expression.of.key, expression.norm.scale, expression.norm.variance);
    case 'folded scale':
      return given(expression.norm.scale, expression.norm.variance);
    case 'folded bias': {
      const { norm, shift } = expression;
      return given(norm.scale, norm.variance, shift.mean, shift.shift, shift.bias);
    }
    case 'normalised':
    case 'standardised':
      return given(expression.of.key, expression.gain);
    default:
      return [expression.of.key];
  }
}

const operandText = ({ key, dims, view }: Operand): string => (view ? viewText(key, dims, view) : key);
const scaleText = ({ scale, variance, epsilon }: NormScale): string => `${scale ?? 1} / √(${variance} + ${epsilon})`;

/** An expression as a line of the map. */
export function expressionText(expression: Expression): string {
  switch (expression.kind) {
    case 'constant':
      return 'constant of the template';
    case 'copy':
      return operandText(expression.of);
    case 'scaled':
      return `${operandText(expression.of)} · ${expression.factor}`;
    case 'sum':
      return expression.terms.map(operandText).join(' + ');
    case 'joined':
      return `joined(${expression.parts
        .map(({ operand, factor, count }) =>
          operand ? `${operandText(operand)}${factor === undefined ? '' : ` · ${factor}`}` : `${count} of the template`,
        )
        .join(', ')})`;
    case 'gathered':
      return `${operandText(expression.of)} gathered by ${expression.rows.length} indices`;
    case 'exponential':
      return `exp(min(${operandText(expression.of)}, ${expression.most}))`;
    case 'folded weight':
      return `${operandText(expression.of)} · ${scaleText(expression.norm)}`;
    case 'folded scale':
      return scaleText(expression.norm);
    case 'folded bias': {
      const { norm, shift } = expression;
      return `${shift.shift ?? 0} + (${shift.bias ?? 0} − ${shift.mean}) · ${scaleText(norm)}`;
    }
    case 'normalised':
      return `${expression.gain} · ${operandText(expression.of)} / ‖${expression.of.key}‖`;
    case 'standardised':
      return `standardised ${operandText(expression.of)} · ${expression.gain ?? 1} · ${expression.factor} (ε ${expression.epsilon})`;
  }
}

/** An expression as plain data, indices as their hash. */
export function expressionData(expression: Expression): unknown {
  if (expression.kind !== 'gathered') return expression;
  const { rows, ...rest } = expression;
  return {
    ...rest,
    rows: createHash('sha256')
      .update(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength))
      .digest('hex'),
  };
}
