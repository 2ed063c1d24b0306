/** Mean and biased (population) variance per channel, in float64. */
export interface Statistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** Standard deviations below this part of the mean are its own rounding: a constant 0.1 has a variance of 1e-17. */
export const CONSTANT_DEVIATION = 1e-6;
