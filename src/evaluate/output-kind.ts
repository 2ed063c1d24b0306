import type { ClassOutput } from '../runtime/index.ts';

/**
 * What the values of a class output are. Log-probabilities are scored as logits: softmax(log p) = p. Sigmoid scores (one
 * Bernoulli probability a class, as networks trained with binary cross-entropy give) are scored as the logits that the
 * Sigmoid was given, as timm scores such networks: without a Sigmoid in the graph the numbers are the same.
 */
export type OutputKind = 'logits' | 'probabilities' | 'log-probabilities' | 'sigmoid';

interface KindRules {
  /** Whether a row can be of the kind. */
  readonly fits: (row: Float32Array | Float64Array) => boolean;
  /** What a value counts as: a logit, or ln p. */
  readonly score: (value: number, output: ClassOutput) => number;
  /** What every row must be, in words; absent where a row of another kind does no harm. */
  readonly required?: string;
}

/** How far a row of probabilities may be from 1: the error of 1,000 float16 roundings, far below any row of logits. */
const SUM_TOLERANCE = 1e-3;
/** By chance all values of as many logits lie in 0..1 less than once in a million: half of them would be negative. */
const SIGMOID_EVIDENCE = 20;

function sumsToOne(row: Float32Array | Float64Array, probability: (value: number) => number): boolean {
  let sum = 0;
  for (const value of row) sum += probability(value);
  return Math.abs(sum - 1) <= SUM_TOLERANCE;
}

/** A probability of 0 is one that the type cannot hold: ln 0 would make every mean infinite. */
const above0 = (p: number, { smallest }: ClassOutput): number => (p === 0 ? smallest : p);

/** ln(p / (1 - p)); 1 counts as the largest value below it. */
function logit(p: number, output: ClassOutput): number {
  const inside = p === 1 ? output.largestBelowOne : above0(p, output);
  return Math.log(inside) - Math.log1p(-inside);
}

export const OUTPUT_KINDS: Readonly<Record<OutputKind, KindRules>> = {
  logits: { fits: () => true, score: (z) => z },
  probabilities: {
    fits: (row) => row.every((p) => p >= 0) && sumsToOne(row, (p) => p),
    score: (p, output) => Math.log(above0(p, output)),
    required: 'probabilities (>= 0, sum 1)',
  },
  'log-probabilities': {
    fits: (row) => row.every((z) => z <= 0) && sumsToOne(row, Math.exp),
    score: (z) => z,
  },
  sigmoid: {
    fits: (row) => row.every((p) => p >= 0 && p <= 1),
    score: logit,
    required: 'sigmoid scores (0 to 1)',
  },
};

export const rowOf = ({ data, classes }: ClassOutput, row: number): Float32Array | Float64Array =>
  data.subarray(row * classes, (row + 1) * classes);

/**
 * What the outputs are, by the rows of a batch: probabilities if each is >= 0 and sums to 1 within 1e-3, log-probabilities
 * if the exponentials do; sigmoid scores if all of 20 values or more lie in 0..1; logits otherwise.
 */
export function detectOutputs(output: ClassOutput): OutputKind {
  const all = (kind: OutputKind): boolean => {
    for (let row = 0; row < output.rows; row++) if (!OUTPUT_KINDS[kind].fits(rowOf(output, row))) return false;
    return true;
  };
  if (all('probabilities')) return 'probabilities';
  if (all('log-probabilities')) return 'log-probabilities';
  return output.rows * output.classes >= SIGMOID_EVIDENCE && all('sigmoid') ? 'sigmoid' : 'logits';
}
