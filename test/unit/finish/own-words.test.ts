import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TemperError } from '../../../src/core/index.ts';
import { inOwnWords } from '../../../src/finish/own-words.ts';

const hintOf = (hint: string): string | undefined => {
  const error = inOwnWords(new TemperError('INPUT_TOO_FEW', 'no image', { hint, details: { n: 0 } }));
  assert.ok(error instanceof TemperError && error.code === 'INPUT_TOO_FEW' && error.details.n === 0);
  return error.hint;
};

test("a step's remedy names the sets as finish does, and says of options that finish has not whose they are", () => {
  assert.equal(hintOf('Check `data`, `rows` and `limit`.'), 'Check `val`, `val.rows` and `val.limit`.');
  assert.equal(hintOf('Use a larger `batch`, `mean` or `template`.'), 'Use a larger `batch`, `mean` or `template`.');
  assert.equal(
    hintOf('Leave it out, or pass `allowNonfinite`.'),
    'Leave it out, or pass `allowNonfinite`. finish has no `allowNonfinite`: the command of that step alone has.',
  );
});

test('what is no error of ours is given back as it is', () => {
  const bug = new RangeError('`data`');
  assert.equal(inOwnWords(bug), bug);
});
