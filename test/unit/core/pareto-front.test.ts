import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { paretoFront } from '../../../src/core/index.ts';

const side = fc.constantFrom('higher' as const, 'lower' as const);
const few = fc.integer({ min: 0, max: 6 });

test('a point is on the front if no other is at least as good in both and better in one', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ x: few, y: few }), { maxLength: 12 }), side, side, (points, x, y) => {
      const gain = (a: number, b: number, better: string): number => (better === 'higher' ? b - a : a - b);
      const expected = points.map(
        (point) =>
          !points.some((other) => {
            const [dx, dy] = [gain(point.x, other.x, x), gain(point.y, other.y, y)];
            return dx >= 0 && dy >= 0 && dx + dy > 0;
          }),
      );
      assert.deepEqual(paretoFront(points, { x, y }), expected);
    }),
  );
});
