import { TemperError } from '../core/index.ts';
import type { ClassOutput } from '../runtime/index.ts';
import type { OutputKind } from '../signature/index.ts';

interface KindRules {
  /** Whether a row can be of the kind. */
  readonly fits: (row: Float32Array | Float64Array) => boolean;
  /** What a value counts as: a logit, or ln p. */
  readonly score: (value: number, output: ClassOutput) => number;
  /** What every row must be, in words; absent where a row of another kind does no harm. */
  readonly required?: string;
  /** Whether a row can be of the kind that the graph's last node says: a quantized Softmax sums to 1 only roughly. */
  readonly nearly?: (row: Float32Array | Float64Array) => boolean;
}

/** How far a row of probabilities may be from 1: the error of 1,000 float16 roundings, far below any row of logits. */
const SUM_TOLERANCE = 1e-3;
/** What a quantized Sigmoid may round 1 to: half a step of 8 bits more. */
const NEARLY_ONE = 1 + 1 / 255;
/** By chance all values of as many logits lie in 0..1 less than once in a million: half of them would be negative. */
const SIGMOID_EVIDENCE = 20;

function sumsToOne(row: Float32Array | Float64Array, probability: (value: number) => number): boolean {
  let sum = 0;
  for (let k = 0; k < row.length; k++) sum += probability(row[k] as number);
  return Math.abs(sum - 1) <= SUM_TOLERANCE;
}

/** A probability of 0 is one that the type cannot hold: ln 0 would make every mean infinite. */
const above0 = (p: number, { smallest }: ClassOutput): number => (p === 0 ? smallest : p);

/** ln(p / (1 - p)); 1 (and what a quantized Sigmoid rounds to above it) counts as the largest value below it. */
function logit(p: number, output: ClassOutput): number {
  const inside = p >= 1 ? output.largestBelowOne : above0(p, output);
  return Math.log(inside) - Math.log1p(-inside);
}

export const OUTPUT_KINDS: Readonly<Record<OutputKind, KindRules>> = {
  logits: { fits: () => true, score: (z) => z },
  probabilities: {
    fits: (row) => row.every((p) => p >= 0) && sumsToOne(row, (p) => p),
    score: (p, output) => Math.log(above0(p, output)),
    required: 'probabilities (>= 0, sum 1)',
    nearly: (row) => row.every((p) => p >= 0),
  },
  'log-probabilities': {
    fits: (row) => row.every((z) => z <= 0) && sumsToOne(row, Math.exp),
    score: (z) => z,
  },
  sigmoid: {
    fits: (row) => row.every((p) => p >= 0 && p <= 1),
    score: logit,
    required: 'sigmoid scores (0 to 1)',
    nearly: (row) => row.every((p) => p >= 0 && p <= NEARLY_ONE),
  },
};

export const rowOf = ({ data, classes }: ClassOutput, row: number): Float32Array | Float64Array =>
  data.subarray(row * classes, (row + 1) * classes);

/**
 * A row that cannot be of a kind is no reason to guess: nobody would see the number that comes of it.
 * @param exact whether the row must be of it to the last roundings, and not only nearly (where the graph says the kind)
 * @throws TemperError EXECUTION_OUTPUT
 */
export function assertKind(row: Float32Array | Float64Array, kind: OutputKind, exact: boolean, key: string): void {
  const { fits, nearly = fits, required } = OUTPUT_KINDS[kind];
  if (!required || (exact ? fits : nearly)(row)) return;
  throw new TemperError('EXECUTION_OUTPUT', `${key}: the outputs are not ${required}`, {
    hint: 'Say what they are: `outputs` logits, for example.',
    details: { key, kind },
  });
}

/** The kinds in the order in which they are believed; a single score a row is no distribution. */
const KINDS: readonly OutputKind[] = ['probabilities', 'log-probabilities', 'sigmoid', 'logits'];
const SINGLE_KINDS: readonly OutputKind[] = ['sigmoid', 'logits'];

/** What values tell of their kind, row by row: the end does not depend on the order of the rows, nor on batches. */
export interface KindEvidence {
  /** The kinds that all rows so far can be. */
  readonly possible: readonly OutputKind[];
  add(output: ClassOutput): void;
  /**
   * Probabilities if each row is >= 0 and sums to 1 within 1e-3, log-probabilities if the exponentials do; sigmoid scores if all of
   * 20 values or more lie in 0..1, one of them between; logits otherwise.
   */
  settled(): OutputKind;
}

export function kindEvidence(): KindEvidence {
  let possible: readonly OutputKind[] | undefined;
  let values = 0;
  let between = false;
  return {
    get possible() {
      return possible ?? KINDS;
    },
    add(output) {
      possible ??= output.classes === 1 ? SINGLE_KINDS : KINDS;
      values += output.rows * output.classes;
      for (let row = 0; row < output.rows && possible.length > 1; row++) {
        const scores = rowOf(output, row);
        between ||= scores.some((p) => p > 0 && p < 1);
        possible = possible.filter((kind) => OUTPUT_KINDS[kind].fits(scores));
      }
    },
    settled() {
      const [first = 'logits'] = possible ?? [];
      return first === 'sigmoid' && (values < SIGMOID_EVIDENCE || !between) ? 'logits' : first;
    },
  };
}

/** A single score a row as two classes: p is that of class 1, a logit z stands against 0. Several are left as they are. */
export function asClasses(output: ClassOutput, kind: OutputKind): { output: ClassOutput; kind: OutputKind } {
  if (output.classes > 1) return { output, kind };
  const isLogit = kind === 'logits' || kind === 'log-probabilities';
  const data = new Float64Array(2 * output.rows);
  for (let row = 0; row < output.rows; row++) {
    const score = output.data[row] as number;
    const p = Math.min(1, score);
    data.set(isLogit ? [0, score] : [1 - p, p], 2 * row);
  }
  return { output: { ...output, classes: 2, data }, kind: isLogit ? 'logits' : 'probabilities' };
}
