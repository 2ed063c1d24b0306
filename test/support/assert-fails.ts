import assert from 'node:assert/strict';
import { type ErrorCode, TemperError } from '../../src/core/index.ts';

/** Asserts that `run` throws a TemperError of a code; returns it. */
export function assertFails(run: () => unknown, code: ErrorCode): TemperError {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  assert.ok(
    thrown instanceof TemperError,
    `expected ${code}, got ${thrown === undefined ? 'no error' : String(thrown)}`,
  );
  assert.equal(thrown.code, code, thrown.message);
  return thrown;
}
