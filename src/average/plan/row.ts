import type { SwagSample } from '../swag/swag-rows.ts';

/** One output: out = (Σ coefficients[i]·x_i) / divisor over the snapshots in plan order. Coefficients sum to divisor. */
export interface Row {
  readonly name: string;
  readonly coefficients: readonly number[];
  readonly divisor: number;
  /**
   * Order statistics instead of a mean of all: at each coordinate so many of the lowest and of the highest values are left
   * out. The coefficients are then 1.
   */
  readonly trim?: number | undefined;
  /** Weights of each tensor by Model Stock, known when the snapshots are read; `base` is the index of the anchor. */
  readonly stock?: { readonly base: number } | undefined;
  /** A sample around the mean, not the mean. BatchNormalization's statistics stay the mean's. */
  readonly swag?: SwagSample | undefined;
}

/** Rounding allowed between Σ coefficients and the divisor, relative to Σ|coefficients|. */
const SUM_TOLERANCE = 1e-9;

/** Sum in plan order, as the kernel adds: so that a divisor made by this equals the coefficients to the bit. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The row whose divisor is the sum of its coefficients. */
export function normalisedRow(name: string, coefficients: readonly number[]): Row {
  return { name, coefficients, divisor: sum(coefficients) };
}

/**
 * Refuses a row that is no weighted mean.
 * @throws RangeError: a bug in the method that made the row, as what users can ask for is checked before.
 */
export function checkRow({ name, coefficients, divisor, trim = 0, stock, swag }: Row): void {
  if (coefficients.length === 0) throw new RangeError(`${name}: no coefficients`);
  const bad = coefficients.find((value) => !Number.isFinite(value));
  if (bad !== undefined) throw new RangeError(`${name}: a coefficient is ${bad}`);
  if (!Number.isFinite(divisor) || divisor === 0) throw new RangeError(`${name}: the divisor is ${divisor}`);
  const terms = coefficients.filter((value) => value !== 0);
  if (trim !== 0 || stock) {
    if (!(Number.isSafeInteger(trim) && trim >= 0 && 2 * trim < terms.length))
      throw new RangeError(`${name}: ${trim} of ${terms.length} values are to be trimmed at each end`);
    if (terms.some((value) => value !== 1)) throw new RangeError(`${name}: coefficients other than 1`);
  }
  if (swag) checkSample(name, swag, terms);
  if (stock && !(coefficients[stock.base] === 1 && terms.length > 2))
    throw new RangeError(`${name}: base ${stock.base} of ${terms.length} snapshots`);
  const scale = sum(coefficients.map(Math.abs));
  const total = sum(coefficients);
  if (!(Math.abs(total - divisor) <= SUM_TOLERANCE * scale))
    throw new RangeError(`${name}: coefficients sum to ${total}, the divisor is ${divisor}`);
}

function checkSample(name: string, { seed, sample, rank, scale }: SwagSample, terms: readonly number[]): void {
  const counts = [seed, sample, rank].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!counts || rank === 1 || rank > terms.length || !(scale >= 0 && Number.isFinite(scale)))
    throw new RangeError(`${name}: seed ${seed}, sample ${sample}, rank ${rank}, scale ${scale}`);
  if (terms.length < 2 || terms.some((value) => value !== 1))
    throw new RangeError(`${name}: coefficients other than 1`);
}

/** The effective number of averaged models, (Σw)²/Σw² (Kish's effective sample size): N for uniform, 1 for one model. */
export function effectiveModels({ coefficients, divisor }: Row): number {
  return 1 / sum(coefficients.map((value) => (value / divisor) ** 2));
}

/** Σ|w|/|Σw|: 1 without negative coefficients; how much the rounding noise of the snapshots can grow. */
export function amplification({ coefficients, divisor }: Row): number {
  return sum(coefficients.map((value) => Math.abs(value / divisor)));
}
