import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../src/core/index.ts';
import { resamples } from '../../../src/evaluate/resamples.ts';

test('resamples are one stream of draws, whether they are drawn or kept, however many are asked for', () => {
  for (const [seed, n] of [
    [0, 7],
    [0, 7],
    [3, 7],
    [0, 70_000],
  ] as const) {
    const stream = random(seed, 'bootstrap', n);
    for (const [rows, r] of resamples(seed, n, n > 7 ? 2 : undefined)) {
      if (r % 500 < 2)
        assert.deepEqual(
          [...rows],
          Array.from({ length: n }, () => stream.below(n)),
        );
      else for (let i = 0; i < n; i++) stream.below(n);
    }
    const [[first]] = [...resamples(seed, n, 1)] as [readonly [Uint32Array, number]];
    const again = random(seed, 'bootstrap', n);
    assert.deepEqual(
      [...first],
      Array.from({ length: n }, () => again.below(n)),
    );
  }
});
