/** Veltkamp's constant for 53 bits: splits a float64 into two halves whose products are exact (Dekker 1971). */
const SPLITTER = 2 ** 27 + 1;

/** The range in which neither splitting overflows nor an error term underflows. */
const LARGEST_SAFE = 2 ** 900;
const SMALLEST_SAFE = 2 ** -900;

/** What is lost when a * b is rounded to `product` (Dekker's TwoProduct; JavaScript has no fused multiply-add). */
function productError(a: number, b: number, product: number): number {
  const ca = SPLITTER * a;
  const aHigh = ca - (ca - a);
  const aLow = a - aHigh;
  const cb = SPLITTER * b;
  const bHigh = cb - (cb - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** (Σ n_i · x_i · scale) / divisor, in twice the precision of float64 until the end: Dot2 of Ogita, Rump and Oishi 2005. */
function dot2(
  xs: readonly Float64Array[],
  coefficients: readonly number[],
  divisor: number,
  i: number,
  scale: number,
): number {
  let sum = -0;
  let lost = 0;
  for (let k = 0; k < xs.length; k++) {
    const x = ((xs[k] as Float64Array)[i] as number) * scale;
    const n = coefficients[k] as number;
    const product = n === 1 ? x : n * x;
    if (n !== 1) lost += productError(n, x, product);
    const next = sum + product;
    const virtual = next - sum;
    lost += sum - (next - virtual) + (product - virtual);
    sum = next;
  }
  const quotient = sum / divisor;
  const product = quotient * divisor;
  return quotient + (sum - product - productError(quotient, divisor, product) + lost) / divisor;
}

/** Every |x| is at the edge of the range (or zero, or not finite): scale by a power of two, or sum plainly. */
function atTheEdge(xs: readonly Float64Array[], coefficients: readonly number[], divisor: number, i: number): number {
  const largest = xs.reduce((max, x) => Math.max(max, Math.abs(x[i] as number)), 0);
  if (largest === 0 || !Number.isFinite(largest)) {
    return xs.reduce((sum, x, k) => sum + (coefficients[k] as number) * (x[i] as number), -0) / divisor;
  }
  const scale = largest > 1 ? 2 ** -200 : 2 ** 400;
  return dot2(xs, coefficients, divisor, i, scale) / scale;
}

/**
 * out[i] = (Σ n_i · x_i) / divisor for float64 values, which a plain float64 sum would leave several ulp off: within
 * 1 ulp of the exact value for any finite values and any number of terms below 2^20, unless terms cancel
 * (Σ|n_i·x_i| > 2^30 · |Σ n_i·x_i|), and without overflow in between.
 */
export function compensatedQuotients(
  out: Float64Array,
  xs: readonly Float64Array[],
  coefficients: readonly number[],
  divisor: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const value = dot2(xs, coefficients, divisor, i, 1);
    const magnitude = Math.abs(value);
    const safe = magnitude < LARGEST_SAFE && magnitude > SMALLEST_SAFE;
    out[i] = safe ? value : atTheEdge(xs, coefficients, divisor, i);
  }
}
