import { TemperError } from '../core/index.ts';
import type { ClassOutput } from '../runtime/index.ts';
import type { OutputKind } from '../signature/index.ts';
import { assertKind, OUTPUT_KINDS, rowOf } from './output-kind.ts';

/**
 * What one model said about each image: the one source of every metric, row i of each column one image. Written to a
 * file, it lets everything be computed again without inference. 48 bytes an image beside the key.
 */
export interface Predictions {
  readonly keys: readonly string[];
  /** The true class. */
  readonly labels: Int32Array;
  /** [n, 5]: the classes of the five highest scores, best first; of equal scores the lower index. -1 past the last. */
  readonly top5: Int32Array;
  /** -ln p of the true class. */
  readonly nll: Float64Array;
  /** p of the best class. */
  readonly confidence: Float64Array;
  /** Σ p² over the classes. */
  readonly sumP2: Float64Array;
}

export interface ValidClasses {
  /** The model's classes that count, in this order; scores of the others are dropped before anything else. */
  readonly classes: readonly number[];
  /** What a label is: a position in `classes` (timm's ImageNet-A/R folders), or a class of the model. */
  readonly labels: 'position' | 'class';
}

export interface Scoring {
  readonly kind: OutputKind;
  readonly valid?: ValidClasses | undefined;
  /** Rows must be of the kind to the last roundings; otherwise nearly: a quantized Softmax sums to 1 only roughly. @default true */
  readonly exact?: boolean | undefined;
}

const TOP = 5;

/** The position of a label among the scored classes. */
function position(label: number, key: string, scored: number, valid: ValidClasses | undefined): number {
  const at = valid?.labels === 'class' ? valid.classes.indexOf(label) : label;
  if (Number.isInteger(at) && at >= 0 && at < scored) return at;
  const expected =
    valid?.labels === 'class' ? `one of the ${scored} valid classes` : `0..${scored - 1}, the classes that are scored`;
  throw new TemperError('MISMATCH_VALUE', `${key}: label ${label}, expected ${expected}`, {
    hint: 'Translate the labels to the classes of the model (`classes`), or name the subset (`validClasses`).',
    details: { key, label, scored },
  });
}

/**
 * @throws TemperError USAGE for a class that the model lacks or that is named twice
 */
function checkValid({ classes }: ValidClasses, available: number): void {
  const bad = classes.find((c, i) => !Number.isInteger(c) || c < 0 || c >= available || classes.indexOf(c) !== i);
  if (bad === undefined && classes.length >= 2) return;
  const what = bad === undefined ? `${classes.length} valid classes, expected 2 or more` : `valid class ${bad}`;
  throw new TemperError('USAGE', `${what}: the model has the classes 0..${available - 1}, each can be named once`, {
    hint: 'List class indices of the model, one a line.',
  });
}

/** Writes the places of the highest scores, best first; -1 past the last. A strict comparison keeps the first of equals, as torch.argmax. */
export function topClasses(scores: ArrayLike<number>, into: Int32Array): void {
  into.fill(-1);
  for (let k = 0; k < scores.length; k++) {
    const score = scores[k] as number;
    let at = into.length;
    while (at > 0 && ((into[at - 1] as number) < 0 || score > (scores[into[at - 1] as number] as number))) at--;
    if (at === into.length) continue;
    into.copyWithin(at + 1, at, into.length - 1);
    into[at] = k;
  }
}

/**
 * Scores a batch, all in float64. With scores z (logits; ln p of probabilities; ln(p / (1 - p)) of sigmoid scores),
 * m = max z and S = Σ exp(z - m): nll = m + ln S - z of the label; p = exp(z - m) / S. Probabilities are thereby divided
 * by their sum; a probability of 0 (a label whose score is -Infinity, too) counts as the smallest positive value of the
 * type that the model computed, since ln 0 would make the mean infinite.
 * @throws TemperError MISMATCH_VALUE for a label outside the classes; EXECUTION_OUTPUT for a row that is not of the kind
 * that was said; NUMERIC_NONFINITE for a row without a finite score; USAGE
 */
export function scoreBatch(
  output: ClassOutput,
  keys: readonly string[],
  labels: ArrayLike<number>,
  { kind, valid, exact = true }: Scoring,
): Predictions {
  const { rows, classes, smallest } = output;
  const { score } = OUTPUT_KINDS[kind];
  if (valid) checkValid(valid, classes);
  const scored = valid?.classes.length ?? classes;
  const columns: Predictions = {
    keys: [...keys],
    labels: new Int32Array(rows),
    top5: new Int32Array(rows * TOP),
    nll: new Float64Array(rows),
    confidence: new Float64Array(rows),
    sumP2: new Float64Array(rows),
  };
  const z = new Float64Array(scored);
  for (let row = 0; row < rows; row++) {
    const key = keys[row] as string;
    const values = rowOf(output, row);
    assertKind(values, kind, exact, key);
    let max = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < scored; k++) {
      const one = score(values[valid ? (valid.classes[k] as number) : k] as number, output);
      z[k] = one;
      max = Math.max(max, one);
    }
    if (!Number.isFinite(max)) {
      throw new TemperError('NUMERIC_NONFINITE', `${key}: no class has a finite score`, {
        hint: 'Check the weights and the normalisation of the input; float16 may overflow.',
        details: { key },
      });
    }
    const label = position(labels[row] as number, key, scored, valid);
    let [sum, squares] = [0, 0];
    for (let k = 0; k < scored; k++) {
      const e = Math.exp((z[k] as number) - max);
      sum += e;
      squares += e * e;
    }
    const top = columns.top5.subarray(row * TOP, (row + 1) * TOP);
    topClasses(z, top);
    if (valid) for (const [i, at] of top.entries()) top[i] = at < 0 ? at : (valid.classes[at] as number);
    columns.labels[row] = valid ? (valid.classes[label] as number) : label;
    const nll = max - (z[label] as number) + Math.log(sum);
    columns.nll[row] = Number.isFinite(nll) ? nll : -Math.log(smallest);
    columns.confidence[row] = 1 / sum;
    columns.sumP2[row] = squares / (sum * sum);
  }
  return columns;
}

/**
 * The rows of a batch as probabilities, in float64: the softmax of what is scored ({@link OUTPUT_KINDS}); probabilities divided by
 * their sum.
 * @returns [rows, classes]
 */
export function probabilitiesOf(output: ClassOutput, kind: OutputKind): Float64Array {
  const { rows, classes, data } = output;
  const { score } = OUTPUT_KINDS[kind];
  const p = Float64Array.from(data.subarray(0, rows * classes));
  for (let row = 0; row < rows; row++) {
    const z = p.subarray(row * classes, (row + 1) * classes);
    if (kind !== 'probabilities') {
      for (const [k, value] of z.entries()) z[k] = score(value, output);
      const max = z.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      for (const [k, logit] of z.entries()) z[k] = Math.exp(logit - max);
    }
    const sum = z.reduce((a, b) => a + b, 0);
    for (let k = 0; k < classes; k++) z[k] = sum === 0 ? 1 / classes : (z[k] as number) / sum;
  }
  return p;
}

/** Joins the columns of batches, in order. */
export function concatPredictions(parts: readonly Predictions[]): Predictions {
  const n = parts.reduce((total, part) => total + part.labels.length, 0);
  const joined: Predictions = {
    keys: parts.flatMap((part) => part.keys),
    labels: new Int32Array(n),
    top5: new Int32Array(n * TOP),
    nll: new Float64Array(n),
    confidence: new Float64Array(n),
    sumP2: new Float64Array(n),
  };
  let at = 0;
  for (const part of parts) {
    joined.labels.set(part.labels, at);
    joined.top5.set(part.top5, at * TOP);
    joined.nll.set(part.nll, at);
    joined.confidence.set(part.confidence, at);
    joined.sumP2.set(part.sumP2, at);
    at += part.labels.length;
  }
  return joined;
}

/** The columns of some images, in the order given. */
export function selectPredictions(all: Predictions, rows: readonly number[]): Predictions {
  const floats = (column: Float64Array): Float64Array => Float64Array.from(rows, (row) => column[row] as number);
  return {
    keys: rows.map((row) => all.keys[row] as string),
    labels: Int32Array.from(rows, (row) => all.labels[row] as number),
    top5: Int32Array.from(rows.flatMap((row) => [...all.top5.subarray(row * TOP, (row + 1) * TOP)])),
    nll: floats(all.nll),
    confidence: floats(all.confidence),
    sumP2: floats(all.sumP2),
  };
}
