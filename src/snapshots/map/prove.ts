import type { FloatType } from '../../core/index.ts';
import { evaluate, type Inputs } from './evaluate.ts';
import { type Expression, keysOf } from './expression.ts';
import { foldedScale } from './fold-arithmetic.ts';
import { coarser, rounded, sameBits, UNIT, type Values } from './values.ts';

/** How well an expression reproduces a tensor of the template. */
export interface Proof {
  /** Whether every value is equal to the bit, once both have the type of fewer digits. */
  readonly exact: boolean;
  /** The type in which they were compared. */
  readonly type: FloatType;
  /** Largest |computed − template| / scale, in units in the last place of the type; scale is |w|, of biases |β| + |μ·s| + |b·s|. */
  readonly worst: number;
  readonly differing: number;
}

/** Of a tensor that is reproduced to the bit. */
export const equalProof = (type: FloatType): Proof => ({ exact: true, type, worst: 0, differing: 0 });

/** What rounding in another order, and a root that is not correctly rounded, can change. */
const MOST_UNITS = 4;

/** Expressions without arithmetic of many steps: torch's float32 sum or product of two numbers has one result. */
const EXACT: ReadonlySet<Expression['kind']> = new Set(['constant', 'copy', 'scaled', 'sum', 'joined', 'gathered']);

/** Sizes of what each element was summed from: where terms cancel, rounding is relative to them. */
function scales(expression: Expression, inputs: Inputs): ((i: number) => number) | undefined {
  const { values } = inputs;
  if (expression.kind === 'folded bias') {
    const { norm, shift } = expression;
    const optional = (key: string | undefined) => (key === undefined ? undefined : values(key));
    const s = foldedScale(
      { scale: optional(norm.scale), variance: values(norm.variance), epsilon: norm.epsilon },
      'float64',
    );
    const [mean, beta, bias] = [values(shift.mean), optional(shift.shift), optional(shift.bias)];
    return (i) =>
      Math.abs(beta?.[i] ?? 0) + (Math.abs(mean[i] as number) + Math.abs(bias?.[i] ?? 0)) * Math.abs(s[i] as number);
  }
  if (expression.kind !== 'standardised') return undefined;
  // Where the mean of a filter cancels a weight, the filter's size is what is rounded.
  const all = evaluate(expression, inputs);
  let largest = 0;
  for (const value of all) largest = Math.max(largest, Math.abs(value));
  return () => largest;
}

/**
 * Compares an expression with the template's tensor.
 * @param types of the tensors that it reads, and of the template's
 * @returns undefined if it does not reproduce it: other bits where the arithmetic leaves no choice, else beyond 4 units
 */
export function prove(
  expression: Expression,
  target: Values,
  types: readonly FloatType[],
  inputs: Inputs,
): Proof | undefined {
  const type = types.reduce(coarser);
  const unit = UNIT[type];
  const computed = evaluate(expression, inputs);
  if (computed.length !== target.length) return undefined;
  const [a, b] = [rounded(computed, type), rounded(target, type)];
  if (sameBits(a, b)) return equalProof(type);
  // Orders of float32 are right to the bit, or float64 takes their place.
  const exactOnly = EXACT.has(expression.kind) || ('arithmetic' in expression && expression.arithmetic !== 'float64');
  let scale: ReturnType<typeof scales>;
  let [worst, differing] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    if (x === y || Object.is(x, y)) continue;
    if (exactOnly) return undefined;
    if (differing === 0) scale = scales(expression, inputs);
    differing++;
    const units = Math.abs(x - y) / (unit * Math.max(scale?.(i) ?? Math.abs(y), Number.MIN_VALUE));
    if (!(units <= MOST_UNITS)) return undefined;
    worst = Math.max(worst, units);
  }
  return { exact: differing === 0, type, worst, differing };
}

/** Types of what an expression reads, and of its target. */
export const typesOf = (expression: Expression, target: FloatType, typeOf: (key: string) => FloatType): FloatType[] => [
  target,
  ...keysOf(expression).map(typeOf),
];
