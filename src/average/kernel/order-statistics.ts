/** Whether a comes before b: numbers by size, of zeros the negative one. */
const before = (a: number, b: number): boolean => a < b || (a === 0 && b === 0 && Object.is(a, -0) && Object.is(b, 0));

/**
 * sums[i] = the sum of the values at coordinate i without the `trim` lowest and the `trim` highest ones; the caller divides by
 * what is left. Of equal values any is left out, which changes nothing. NaN anywhere gives NaN.
 *
 * Numerics: sorted, then added in float64 from the lowest up: the order of the inputs cannot matter. Time grows with the square of
 * the number of inputs (an insertion sort a coordinate), which is faster than a sort's call up to dozens.
 */
export function trimmedSums(
  sums: Float64Array,
  xs: readonly (Float32Array | Float64Array)[],
  trim: number,
  count: number,
): void {
  const n = xs.length;
  const sorted = new Float64Array(n);
  for (let i = 0; i < count; i++) {
    let numbers = true;
    for (let k = 0; k < n; k++) {
      const value = (xs[k] as Float32Array)[i] as number;
      if (Number.isNaN(value)) numbers = false;
      let at = k;
      while (at > 0 && before(value, sorted[at - 1] as number)) {
        sorted[at] = sorted[at - 1] as number;
        at--;
      }
      sorted[at] = value;
    }
    let sum = -0;
    for (let k = trim; k < n - trim; k++) sum += sorted[k] as number;
    sums[i] = numbers ? sum : Number.NaN;
  }
}
