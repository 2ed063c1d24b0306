import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../src/data/index.ts';
import { transformFor } from '../../../src/signature/index.ts';

test('a whole transform on the 0 to 255 scale is refused as the options are', () => {
  const whole = resolveTransform({ size: 8 });
  const model = { label: 'm.onnx', inputs: [{ name: 'x', type: 'float32', dims: ['N', 3, 8, 8] }] } as const;
  assert.deepEqual(transformFor(whole, model, undefined), whole);
  for (const wrong of [
    { ...whole, mean: [123.675, 116.28, 103.53] },
    { ...whole, std: [58.395, 57.12, 57.375] },
  ]) {
    assert.throws(() => transformFor(wrong, model, undefined), { code: 'USAGE', message: /above 1/ });
  }
});
