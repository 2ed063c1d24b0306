/** σ_rel of the uniform average (γ = 0), 1/√12: every profile that grows with time is narrower. */
export const MAX_SIGMA_REL = Math.sqrt(1 / 12);

/** The relative width of the profile p(t) ∝ t^γ. EDM2 (Karras et al., arXiv 2312.02696), Eq. 123. */
export function sigmaRelOf(gamma: number): number {
  return Math.sqrt((gamma + 1) / (gamma + 3)) / (gamma + 2);
}

/**
 * The exponent of the profile of relative width σ, 0 < σ < 1/√12: the inverse of sigmaRelOf, which falls for γ >= 0, by
 * bisection until two neighbouring float64 are left. σ_rel < 1/(γ+2), so the root is below 1/σ.
 */
export function gammaOf(sigmaRel: number): number {
  let [low, high] = [0, 1 / sigmaRel];
  for (;;) {
    const middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) return low;
    if (sigmaRelOf(middle) >= sigmaRel) low = middle;
    else high = middle;
  }
}

/**
 * Weights of raw snapshots at steps t_1 < … < t_n for the profile t^γ: w_i = (t_i^(γ+1) − t_{i−1}^(γ+1)) / t_n^(γ+1), the
 * telescoped recursion of EDM2 Eq. 127. Written as u_i^a·(1 − (t_{i−1}/t_i)^a) with a = γ+1 and u = t/t_n, by log1p
 * and expm1: t^a overflows and the difference of near powers cancels. They sum to 1 − (t0/t_n)^a.
 */
export function rawPowerWeights(steps: readonly number[], gamma: number, t0: number): number[] {
  const newest = steps[steps.length - 1] ?? 0;
  const exponent = gamma + 1;
  return steps.map((step, index) => {
    if (step === 0) return 0;
    const previous = steps[index - 1] ?? t0;
    const level = Math.exp(exponent * Math.log1p((step - newest) / newest));
    return -level * Math.expm1(exponent * Math.log1p((previous - step) / step));
  });
}

/** A power-function EMA: its exponent and the step up to which it runs. */
export interface Profile {
  readonly gamma: number;
  readonly step: number;
}

/** The inner product of two profiles, EDM2 Eq. 151. The power's base is at most 1. */
function innerProduct(a: Profile, b: Profile): number {
  const [early, late] = a.step < b.step ? [a, b] : [b, a];
  const fade = (early.step / late.step) ** late.gamma;
  return ((a.gamma + 1) * (b.gamma + 1) * fade) / ((a.gamma + b.gamma + 1) * late.step);
}

/** Solves A·x = b in float64 by Gaussian elimination with partial pivoting; undefined when A is singular. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, right[i] as number]);
  const at = (i: number, j: number) => rows[i]?.[j] as number;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(at(i, k)) > Math.abs(at(pivot, k))) pivot = i;
    if (!(Math.abs(at(pivot, k)) > 0)) return undefined;
    const chosen = rows[pivot] as number[];
    rows[pivot] = rows[k] as number[];
    rows[k] = chosen;
    for (const row of rows.slice(k + 1)) {
      const factor = (row[k] as number) / at(k, k);
      for (let j = k; j <= n; j++) row[j] = (row[j] as number) - factor * (chosen[j] as number);
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    let rest = at(i, n);
    for (let j = i + 1; j < n; j++) rest -= at(i, j) * (x[j] as number);
    x[i] = rest / at(i, i);
  }
  return x;
}

/**
 * Coefficients that make `target` out of power-function EMA snapshots, by least squares: A·x = b with A_ij = <p_i, p_j>,
 * b_i = <p_i, p_target>. EDM2 Alg. 3, before the normalisation by Σx. Undefined when two profiles are the same.
 */
export function leastSquaresWeights(profiles: readonly Profile[], target: Profile): number[] | undefined {
  return solve(
    profiles.map((a) => profiles.map((b) => innerProduct(a, b))),
    profiles.map((profile) => innerProduct(profile, target)),
  );
}
