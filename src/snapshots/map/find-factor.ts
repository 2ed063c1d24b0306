import type { Values } from './values.ts';

/** timm's gains of activations, by which scaled standardised convolutions keep the variance (timm/models/nfnet.py, _nonlin_gamma). */
const GAINS = [
  1, 1.270926833152771, 1.2716004848480225, 1.7015043497085571, 1.70590341091156, 1.9193484783172607,
  1.0002083778381348, 1.7139588594436646, 1.7131484746932983, 1.0008515119552612, 4.803835391998291, 1.7881293296813965,
  2.338853120803833, 1.9203323125839233, 1.5939117670059204,
] as const;
/** The widest head, the largest fan-in. */
const MOST_ROOT = 1 << 20;

/** Numbers that exporters fold into weights: gain/√n of a width n, 1/∜n, powers of two, whole numbers. */
function* niceNumbers(near: number): Generator<number> {
  yield 2 ** Math.round(Math.log2(near));
  yield Math.round(near);
  yield Math.round(near ** -4) ** -0.25;
  for (const gain of GAINS) {
    const n = Math.round((gain / near) ** 2);
    if (n <= MOST_ROOT) yield gain / Math.sqrt(n);
  }
}

/** Half a unit of float32, with room for the rounding of the factor. */
const SLACK = 2 ** -22;

/** The number that multiplies all of some values to give others, if it is one that exporters fold into weights. */
export function niceFactor(target: Values, source: Values): number | undefined {
  let [low, high] = [0, Number.POSITIVE_INFINITY];
  const count = Math.min(target.length, source.length);
  for (let i = 0; i < count; i++) {
    const [t, s] = [target[i] as number, source[i] as number];
    if (s === 0) {
      if (t !== 0) return undefined;
      continue;
    }
    const ratio = t / s;
    low = Math.max(low, ratio * (1 - SLACK));
    high = Math.min(high, ratio * (1 + SLACK));
    if (!(low <= high)) return undefined;
  }
  if (!Number.isFinite(high)) return undefined;
  for (const number of niceNumbers((low + high) / 2)) {
    const nice = Math.fround(number);
    if (nice >= low && nice <= high) return nice;
  }
  return undefined;
}
