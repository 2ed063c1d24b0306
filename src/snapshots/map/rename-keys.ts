import type { Expression, NormScale, NormShift, Operand } from './expression.ts';

/** The same expression over other keys. */
export function renameKeys(expression: Expression, rename: (key: string) => string): Expression {
  const operand = (of: Operand): Operand => ({ ...of, key: rename(of.key) });
  const norm = ({ scale, variance, epsilon }: NormScale): NormScale => ({
    ...(scale === undefined ? {} : { scale: rename(scale) }),
    variance: rename(variance),
    epsilon,
  });
  const shift = ({ mean, shift: beta, bias }: NormShift): NormShift => ({
    mean: rename(mean),
    ...(beta === undefined ? {} : { shift: rename(beta) }),
    ...(bias === undefined ? {} : { bias: rename(bias) }),
  });
  switch (expression.kind) {
    case 'constant':
      return expression;
    case 'sum':
      return { ...expression, terms: [operand(expression.terms[0]), operand(expression.terms[1])] };
    case 'joined':
      return {
        ...expression,
        parts: expression.parts.map((part) => (part.operand ? { ...part, operand: operand(part.operand) } : part)),
      };
    case 'folded weight':
      return { ...expression, of: operand(expression.of), norm: norm(expression.norm) };
    case 'folded scale':
      return { ...expression, norm: norm(expression.norm) };
    case 'folded bias':
      return { ...expression, norm: norm(expression.norm), shift: shift(expression.shift) };
    case 'normalised':
      return { ...expression, of: operand(expression.of), gain: rename(expression.gain) };
    case 'standardised':
      return {
        ...expression,
        of: operand(expression.of),
        ...(expression.gain === undefined ? {} : { gain: rename(expression.gain) }),
      };
    default:
      return { ...expression, of: operand(expression.of) };
  }
}
