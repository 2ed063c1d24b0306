import assert from 'node:assert/strict';
import { type PlanOptions, planRows } from '../../../src/average/index.ts';
import { type ErrorCode, TemperError } from '../../../src/core/index.ts';
import { type Candidate, candidatesOf } from '../../../src/snapshots/index.ts';

/** Candidates by name; the mtime grows in the order given. */
export const named = (...files: string[]): Candidate[] =>
  candidatesOf(files.map((file, index) => ({ file, mtimeMs: 1000 + index })));

/** `epoch_1.onnx` … `epoch_<count>.onnx`. */
export const epochs = (count: number): Candidate[] =>
  named(...Array.from({ length: count }, (_, i) => `epoch_${i + 1}.onnx`));

/** Coefficients over the divisor, by row name. */
export function weightsOf(candidates: readonly Candidate[], options: PlanOptions): Record<string, number[]> {
  const { rows } = planRows(candidates, options);
  return Object.fromEntries(rows.map((row) => [row.name, row.coefficients.map((value) => value / row.divisor)]));
}

export const onlyWeights = (candidates: readonly Candidate[], options: PlanOptions): number[] => {
  const [weights, ...more] = Object.values(weightsOf(candidates, options));
  assert.equal(more.length, 0);
  return weights as number[];
};

export const filesOf = (candidates: readonly Candidate[], options: PlanOptions): string[] =>
  planRows(candidates, options).snapshots.map(({ file }) => file);

export function assertClose(found: readonly number[], expected: readonly number[], relative: number): void {
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => {
    const error = Math.abs((found[i] as number) - value);
    assert.ok(error <= relative * Math.abs(value), `[${i}] ${found[i]}, expected ${value}, off by ${error}`);
  });
}

/** Asserts a TemperError of this code whose message and hint match all patterns. */
export function assertFails(code: ErrorCode, patterns: readonly RegExp[], action: () => unknown): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof TemperError, String(error));
    assert.equal(error.code, code, error.message);
    for (const pattern of patterns) assert.match(`${error.message} ${error.hint ?? ''}`, pattern);
    return true;
  });
}
