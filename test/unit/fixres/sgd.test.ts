import assert from 'node:assert/strict';
import { test } from 'node:test';
import { epochOrder } from '../../../src/fixres/train/order.ts';
import { rateOf, sgdStep, updateRunning } from '../../../src/fixres/train/sgd.ts';
import { labelTargets } from '../../../src/fixres/train/targets.ts';

test('SGD: v = mu v + (g + wd w), w = w - lr v, by hand over two steps', () => {
  const slot = { values: Float32Array.of(1, -2), velocity: new Float32Array(2) };
  const options = { lr: 0.5, momentum: 0.75, weightDecay: 0.25 };
  sgdStep(slot, [1, 2], options);
  assert.deepEqual([...slot.velocity], [1.25, 1.5]);
  assert.deepEqual([...slot.values], [0.375, -2.75]);
  sgdStep(slot, [0, 0], options);
  assert.deepEqual([...slot.velocity], [0.75 * 1.25 + 0.25 * 0.375, 0.75 * 1.5 - 0.25 * 2.75]);
});

test("running statistics move by a tenth, the variance with Bessel's factor", () => {
  const running = Float32Array.of(1, 2);
  updateRunning(running, [3, 0], 1.5);
  assert.deepEqual([...running], [...Float32Array.of(0.9 + 0.1 * 1.5 * 3, 1.8)]);
});

test('step: a tenth every 30 epochs; cosine: from the rate to nearly 0', () => {
  assert.deepEqual(
    [0, 29, 30, 60].map((epoch) => rateOf('step', 8, epoch, 90)),
    [8, 8, 8 * 0.1, 8 * 0.1 ** 2],
  );
  const cosine = [0, 5, 9].map((epoch) => rateOf('cosine', 2, epoch, 10));
  assert.deepEqual([cosine[0], cosine[1]], [2, 1]);
  assert.ok(cosine[2]! > 0 && cosine[2]! < 0.1);
});

test('the order of an epoch: that of the data, or a permutation by seed and epoch alone', () => {
  assert.deepEqual([...epochOrder(4, 3, undefined)], [0, 1, 2, 3]);
  const [first, again, next, other] = [
    [1, 0],
    [1, 0],
    [1, 1],
    [2, 0],
  ].map(([seed, epoch]) => [...epochOrder(50, epoch!, { seed: seed! })]);
  assert.deepEqual(first, again);
  assert.deepEqual(
    first!.toSorted((a, b) => a - b),
    [...Array(50).keys()],
  );
  assert.notDeepEqual(first, next);
  assert.notDeepEqual(first, other);
});

test('label smoothing: 1 - e + e/C for the label, e/C for the others', () => {
  const into = new Float32Array(4);
  labelTargets([2, 0], 4, 0.2).fill(0, into);
  assert.deepEqual([...into], [...Float32Array.of(0.05, 0.05, 0.85, 0.05)]);
  labelTargets([2, 0], 4, 0).fill(1, into);
  assert.deepEqual([...into], [1, 0, 0, 0]);
});
