/**
 * Count, mean and sum of squared deviations from the mean, per channel, in float64: moments of parts merge into the
 * moments of the whole without looking at the values again.
 */
export interface Moments {
  /** Values in each channel. */
  readonly count: number;
  readonly mean: Float64Array;
  /** Σ (x - mean)², never Σ x² - count·mean²: that difference loses every digit where the mean is large. */
  readonly m2: Float64Array;
}

/** The moments of no value: what merging starts from. */
export function emptyMoments(channels: number): Moments {
  return { count: 0, mean: new Float64Array(channels), m2: new Float64Array(channels) };
}

function sameChannels(what: string, ...arrays: readonly ArrayLike<number>[]): void {
  const lengths = arrays.map(({ length }) => length);
  if (lengths.some((length) => length !== lengths[0]))
    throw new RangeError(`${what} of ${lengths.join(' and ')} channels`);
}

/**
 * The moments of a batch, from what a graph computes.
 * @param count values in each channel: images × height × width
 * @param variance biased: the mean squared deviation
 */
export function momentsOfBatch(
  count: number,
  mean: Float32Array | Float64Array,
  variance: Float32Array | Float64Array,
): Moments {
  if (!Number.isSafeInteger(count) || count < 0) throw new RangeError(`moments of ${count} values`);
  sameChannels('mean and variance', mean, variance);
  return { count, mean: Float64Array.from(mean), m2: Float64Array.from(variance, (value) => value * count) };
}

/**
 * The moments of two disjoint sets of values together: Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
 * Algorithm for Computing Sample Variances" (1979); its errors are analysed in their "Algorithms for Computing the Sample
 * Variance" (The American Statistician 37(3), 1983). Each operation is one float64 rounding: the same parts in the same
 * order give the same bits everywhere; in another order they differ by roundings.
 */
export function combineMoments(a: Moments, b: Moments): Moments {
  sameChannels('moments', a.mean, b.mean);
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const weight = b.count / count;
  const mean = new Float64Array(a.mean.length);
  const m2 = new Float64Array(a.mean.length);
  for (let channel = 0; channel < mean.length; channel++) {
    const from = a.mean[channel] as number;
    const delta = (b.mean[channel] as number) - from;
    mean[channel] = from + delta * weight;
    m2[channel] = (a.m2[channel] as number) + (b.m2[channel] as number) + delta * delta * (a.count * weight);
  }
  return { count, mean, m2 };
}

/** The biased variance: m2 / count, what ONNX BatchNormalization (opset 9 and later) means by variance. */
export function populationVariance({ count, m2 }: Moments): Float64Array {
  if (count === 0) throw new RangeError('the variance of no values');
  return m2.map((value) => value / count);
}
