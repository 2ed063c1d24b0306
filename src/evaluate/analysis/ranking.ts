import type { Predictions } from '../predictions.ts';

/** What is nearer is equal: p is known from the label's nll, whose last digits depend on which label it is. */
const RESOLUTION = 1e12;

/** Of two classes: p of class 1, from the label's nll, to 12 decimals. */
export function positiveScores({ labels, nll }: Predictions): Float64Array {
  return Float64Array.from(labels, (label, i) => {
    const p = label === 1 ? Math.exp(-(nll[i] as number)) : -Math.expm1(-(nll[i] as number));
    return Math.round(p * RESOLUTION) / RESOLUTION;
  });
}

/** Images by score, highest first; those of equal scores together. */
function* steps(
  labels: Int32Array,
  scores: Float64Array,
): Generator<{ readonly positive: number; readonly negative: number }> {
  const order = Array.from(scores.keys()).sort((a, b) => {
    const [x, y] = [scores[a] as number, scores[b] as number];
    return x === y ? 0 : y - x;
  });
  let [positive, negative] = [0, 0];
  for (const [at, i] of order.entries()) {
    if (labels[i] === 1) positive++;
    else negative++;
    const next = order[at + 1];
    if (next !== undefined && scores[next] === scores[i]) continue;
    yield { positive, negative };
    [positive, negative] = [0, 0];
  }
}

/**
 * Area under the ROC curve: the share of pairs of a positive and a negative image in which the positive one scores higher, ties half
 * (Mann and Whitney). Undefined without both.
 */
export function rocArea(labels: Int32Array, scores: Float64Array): number | undefined {
  let [positives, negatives, pairs] = [0, 0, 0];
  for (const { positive, negative } of steps(labels, scores)) {
    pairs += negative * (positives + positive / 2);
    positives += positive;
    negatives += negative;
  }
  return positives === 0 || negatives === 0 ? undefined : pairs / (positives * negatives);
}

/** Average precision, Σ (Rₙ - Rₙ₋₁) Pₙ over the distinct scores, without interpolation: scikit-learn's. Undefined without positives. */
export function averagePrecision(labels: Int32Array, scores: Float64Array): number | undefined {
  let [found, seen, sum] = [0, 0, 0];
  for (const { positive, negative } of steps(labels, scores)) {
    found += positive;
    seen += positive + negative;
    sum += (positive * found) / seen;
  }
  return found === 0 ? undefined : sum / found;
}
