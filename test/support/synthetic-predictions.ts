import { type Random, random } from '../../src/core/index.ts';
import { type Predictions, scoreBatch } from '../../src/evaluate/index.ts';
import type { ClassOutput } from '../../src/runtime/index.ts';

/** A normal deviate (Box-Muller). */
export function normal(stream: Random): number {
  return Math.sqrt(-2 * Math.log(1 - stream.float())) * Math.cos(2 * Math.PI * stream.float());
}

export function makeOutput(rows: number[][], smallest = 2 ** -149): ClassOutput {
  const classes = (rows[0] as number[]).length;
  return { rows: rows.length, classes, data: Float64Array.from(rows.flat()), smallest, largestBelowOne: 1 - 2 ** -24 };
}

export function softmax(z: number[]): number[] {
  const e = z.map(Math.exp);
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((x) => x / sum);
}

export const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `image ${i}`);

/** Logits of spread 2, and labels drawn from their softmax: a perfectly calibrated model. */
export function calibratedModel(stream: Random, n: number, classes: number): { rows: number[][]; labels: number[] } {
  const rows = Array.from({ length: n }, () => Array.from({ length: classes }, () => 2 * normal(stream)));
  const labels = rows.map((row) => {
    let u = stream.float();
    const at = softmax(row).findIndex((p) => {
      u -= p;
      return u < 0;
    });
    return at < 0 ? classes - 1 : at;
  });
  return { rows, labels };
}

export function calibratedPredictions(n: number, classes: number, ...keys: (number | string)[]): Predictions {
  const { rows, labels } = calibratedModel(random(0, ...keys), n, classes);
  return scoreBatch(makeOutput(rows), names(n), labels, { kind: 'logits' });
}
