import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../src/data/index.ts';
import { apparentSize, squareImageRatio } from '../../../src/resolution/index.ts';

const close = (found: number, expected: number, tolerance: number): void =>
  assert.ok(Math.abs(found - expected) < tolerance, `${found}, expected ${expected}`);

test('square images: FixRes’ 0.80 for an area of 0.08 to 1 and 256/224, and a predicted ratio of 1.24', () => {
  close(squareImageRatio([0.08, 1], 224 / 256), 1.2355, 1e-3);
  // E[sqrt(u)], u uniform in [0.08, 1], by a sum of many terms.
  const n = 1e6;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.sqrt(0.08 + (0.92 * (i + 0.5)) / n);
  close(squareImageRatio([0.08, 1], 1), n / sum, 1e-9);
  assert.equal(squareImageRatio([1, 1], 1), 1);
  assert.equal(squareImageRatio([0.25, 0.25], 1), 2);
});

test('drawn crops of square images agree with the closed form, and grow in proportion to the resize target', () => {
  const sources = Array.from({ length: 400 }, () => ({ width: 500, height: 500 }));
  // Up to half the area: larger crops of other aspect ratios do not fit, and torchvision draws again.
  const ratioOf = apparentSize(sources, { size: 224, scale: [0.08, 0.5] }, 0);
  const at = (size: number): number => ratioOf(resolveTransform({ size }));
  close(at(224), 1 / squareImageRatio([0.08, 0.5], 224 / 256), 0.01);
  close(at(448) / at(224), 2, 1e-6);
});

test('a wide picture looks larger at test than a square one of its area: its short side is resized', () => {
  const transform = resolveTransform({ size: 224 });
  const of = (width: number, height: number): number =>
    apparentSize(new Array(300).fill({ width, height }), { size: 224, scale: [0.08, 0.5] }, 0)(transform);
  close(of(800, 450) / of(600, 600), Math.sqrt(800 / 450), 0.03);
});

test('the same seed gives the same prediction', () => {
  const sources = [{ width: 500, height: 375 }];
  const of = (seed: number): number =>
    apparentSize(sources, { size: 224, scale: [0.08, 1] }, seed)(resolveTransform({ size: 224 }));
  assert.equal(of(1), of(1));
  assert.notEqual(of(1), of(2));
});
