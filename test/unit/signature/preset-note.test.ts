import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../src/data/index.ts';
import { presetNote, transformFor } from '../../../src/signature/index.ts';

test("torchvision's preset is announced where nobody chose a transform, and only there", () => {
  assert.equal(
    presetNote({}, resolveTransform({})),
    "preprocessing: torchvision's preset (resize 256, crop 224, bilinear, ImageNet mean and std), as no option says otherwise",
  );
  assert.match(
    presetNote({ size: 28 }, resolveTransform({ size: 28, dtype: 'uint8' })) ?? '',
    /resize 32, crop 28, bilinear\)/,
  );
  for (const choice of [{ preset: 'timm' }, { mean: [0.5] }, { resize: 232 }, resolveTransform({})] as const) {
    assert.equal(presetNote(choice, resolveTransform({})), undefined);
  }
});

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
