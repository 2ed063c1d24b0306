import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../src/data/index.ts';
import { type DeclaredInputs, transformNotes } from '../../../src/signature/index.ts';

const model = (type: 'float32' | 'uint8' = 'float32'): DeclaredInputs => ({
  label: 'm.onnx',
  inputs: [{ name: 'x', type, dims: ['N', 3, 'H', 'W'] }],
});

test("torchvision's preset is announced where nobody chose a transform, and only there", () => {
  assert.deepEqual(transformNotes({}, model(), undefined), [
    "preprocessing: torchvision's preset (resize 256, crop 224, bilinear, ImageNet mean and std), as no option says otherwise",
  ]);
  assert.match(transformNotes({ size: 28 }, model('uint8'), undefined)[0] ?? '', /resize 32, crop 28, bilinear\)/);
  for (const choice of [{ preset: 'timm' }, { mean: [0.5] }, { resize: 232 }, resolveTransform({})] as const) {
    assert.deepEqual(transformNotes(choice, model(), undefined), []);
  }
});
