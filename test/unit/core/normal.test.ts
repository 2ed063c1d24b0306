import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normals, random } from '../../../src/core/index.ts';

test('normal numbers have the moments of the standard normal law, and no outlier that it would not have', () => {
  const n = 200_000;
  const next = normals(random(0, 'normal'));
  const values = Float64Array.from({ length: n }, next);
  const moment = (k: number): number => values.reduce((sum, x) => sum + x ** k, 0) / n;
  // Standard errors of the moments: 1, √2, √15, √96 over √n.
  for (const [k, expected, spread] of [
    [1, 0, 1],
    [2, 1, Math.SQRT2],
    [3, 0, Math.sqrt(15)],
    [4, 3, Math.sqrt(96)],
  ] as const)
    assert.ok(Math.abs(moment(k) - expected) < (4 * spread) / Math.sqrt(n), `moment ${k}: ${moment(k)}`);
  assert.ok(values.every((x) => Math.abs(x) < 6));
});

test('uniform zeros give finite numbers', () => {
  const next = normals({ float: () => 0 });
  assert.deepEqual([next(), next()].map(Math.abs), [0, 0]);
});
