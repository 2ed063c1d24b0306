import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertCount, MOST } from '../../../src/core/index.ts';

test('a count is a whole number from 1 to its most; undefined is left to its default', () => {
  for (const count of [undefined, 1, MOST.views]) assertCount('views', count, MOST.views);
  assertCount('samples', Number.MAX_SAFE_INTEGER);
  for (const count of [0, -1, 1.5, Number.NaN, MOST.views + 1, Number.POSITIVE_INFINITY])
    assert.throws(() => assertCount('views', count, MOST.views), { code: 'USAGE', message: /^`views` .* 1 to 65536$/ });
  assert.throws(() => assertCount('samples', 0), { message: '`samples` 0: expected a whole number from 1' });
});
