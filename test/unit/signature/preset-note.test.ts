import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../src/data/index.ts';
import { presetNote } from '../../../src/signature/index.ts';

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
