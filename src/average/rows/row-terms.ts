/** One output over the snapshots in plan order. Coefficients sum to the divisor. */
export interface RowTerms {
  readonly name: string;
  readonly coefficients: readonly number[];
  readonly divisor: number;
}

/** A weighted mean: out = (Σ coefficients[i]·x_i) / divisor. */
export interface LinearRow extends RowTerms {
  readonly kind: 'linear';
}

/** Sum in plan order, as the kernel adds: so that a divisor made by this equals the coefficients to the bit. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The mean whose divisor is the sum of its coefficients. */
export function normalisedRow(name: string, coefficients: readonly number[]): LinearRow {
  return { kind: 'linear', name, coefficients, divisor: sum(coefficients) };
}

/** The mean of so many snapshots, each with coefficient 1: what kinds that are no weighted mean start from. */
export function plainRow(name: string, snapshots: number): LinearRow {
  return normalisedRow(name, new Array<number>(snapshots).fill(1));
}

/** @throws RangeError for coefficients other than 0 and 1 */
export function assertPlain(name: string, terms: readonly number[]): void {
  if (terms.some((value) => value !== 1)) throw new RangeError(`${name}: coefficients other than 1`);
}

/** The effective number of averaged models, (Σw)²/Σw² (Kish's effective sample size): N for uniform, 1 for one model. */
export function effectiveModels({ coefficients, divisor }: RowTerms): number {
  return 1 / sum(coefficients.map((value) => (value / divisor) ** 2));
}

/** Σ|w|/|Σw|: 1 without negative coefficients; how much the rounding noise of the snapshots can grow. */
export function amplification({ coefficients, divisor }: RowTerms): number {
  return sum(coefficients.map((value) => Math.abs(value / divisor)));
}
