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

/** Points whose x is known within half a width. */
interface Noisy {
  readonly x: number;
  readonly half: number;
  readonly y: number;
}
const noisyFront = (points: readonly Noisy[]): boolean[] =>
  paretoFront(points, { x: 'higher', y: 'higher' }, (one, other) => {
    const [a, b] = [points[one], points[other]] as [Noisy, Noisy];
    return a.x - a.half > b.x + b.half;
  });

test('what differs within noise is no difference: a front has nothing that a better point is as fast as', () => {
  const at = (x: number, half: number, y: number): Noisy => ({ x, half, y });
  // A copy that chance made faster, and less right: not on the front.
  assert.deepEqual(noisyFront([at(100, 5, 0.9), at(106, 5, 0.89)]), [true, false]);
  assert.deepEqual(noisyFront([at(100, 5, 0.9), at(111, 5, 0.89)]), [true, true]);
  // As right, and as fast within noise: both. As right and slower beyond it: not.
  assert.deepEqual(noisyFront([at(100, 5, 0.9), at(106, 5, 0.9), at(80, 5, 0.9)]), [true, true, false]);
  // What is dropped drops nothing: the third is faster than the first beyond noise.
  assert.deepEqual(noisyFront([at(94, 3, 0.91), at(97, 3, 0.9), at(101, 3, 0.89)]), [true, false, true]);
});

test('with any noise the most accurate is on the front, and no member is as fast as one that is better', () => {
  const point = fc.record({ x: few, y: few, half: fc.constantFrom(0, 0.4, 1.2) });
  fc.assert(
    fc.property(fc.array(point, { minLength: 1, maxLength: 10 }), (points) => {
      const on = noisyFront(points);
      const front = points.filter((_, i) => on[i]);
      const best = points.reduce((most, { y }) => Math.max(most, y), 0);
      assert.ok(front.some(({ y }) => y === best));
      for (const one of front)
        assert.ok(!front.some((other) => other.y > one.y && other.x + other.half >= one.x - one.half));
    }),
  );
});

test('what is no number is not on the front, and hides nothing', () => {
  const points = [
    { x: Number.NaN, y: 9 },
    { x: 1, y: Number.NaN },
    { x: 2, y: 1 },
  ];
  assert.deepEqual(paretoFront(points, { x: 'higher', y: 'higher' }), [false, false, true]);
});
