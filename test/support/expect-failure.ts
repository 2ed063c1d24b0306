import assert from 'node:assert/strict';
import { type ErrorCode, TemperError } from '../../src/core/index.ts';

/** Asserts that an action fails with this code, and that message and hint together match every pattern. */
export async function expectFailure(
  code: ErrorCode,
  patterns: readonly RegExp[],
  action: () => unknown,
): Promise<TemperError> {
  try {
    await action();
  } catch (error) {
    assert.ok(error instanceof TemperError, error instanceof Error ? error.stack : String(error));
    const text = `${error.message} ${error.hint ?? ''}`;
    assert.equal(error.code, code, text);
    for (const pattern of patterns) assert.match(text, pattern);
    return error;
  }
  throw new assert.AssertionError({ message: `nothing was thrown, expected ${code}` });
}
