/** Networks of four channels see what Pillow's `convert('RGBA')` and `resize` make of a picture (numbers of Pillow 12.3). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { applyTransform, decodeImage, resolveTransform } from '../../../../src/data/index.ts';
import { evaluate } from '../../../../src/index.ts';
import { writeTree } from '../../../support/dataset-files.ts';
import { node, tensor, valueInfo, writeModel } from '../../../support/model-builder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const [WIDTH, HEIGHT] = [5, 4];
/** Transparent at two places, opaque in the last row. */
const BANDS = Uint8Array.from({ length: WIDTH * HEIGHT * 4 }, (_, at) => {
  const [i, c] = [Math.floor(at / 4), at % 4];
  if (c === 3 && i < 2) return 0;
  return c === 3 && i >= 15 ? 255 : (37 * i + 11 * c + 5 * i * c) % 256;
});
const PNG = await sharp(BANDS, { raw: { width: WIDTH, height: HEIGHT, channels: 4 } })
  .png()
  .toBuffer();
const RGBA = { preset: 'none', color: 'rgba', layout: 'NHWC', dtype: 'uint8' } as const;

// biome-ignore format: a row a filter.
const PILLOW = {
  bilinear: { size: { width: 3, height: 3 }, pixels: [198,85,28,18,73,91,122,125,112,149,186,220,171,146,71,61,121,51,92,143,75,95,160,225,67,152,122,197,132,180,58,222,150,115,133,247] },
  bicubic: { size: { width: 6, height: 5 }, pixels: [0,0,0,0,0,0,0,0,69,92,109,77,91,111,134,165,125,152,178,204,152,181,211,243,193,244,0,25,255,0,38,53,59,38,85,107,15,82,122,163,62,119,162,207,103,150,197,246,205,245,78,26,218,127,40,70,128,26,66,115,118,12,104,159,106,66,144,208,22,111,180,249,58,137,237,100,95,203,47,128,148,127,35,160,201,94,85,192,176,103,126,224,48,69,162,252,43,131,231,255,70,163,51,255,103,203,20,255,131,253,74,255,166,218,114,255,200,31,148,255] },
} as const;

for (const [interpolation, { size, pixels }] of Object.entries(PILLOW)) {
  test(`alpha weighs the colours while they are resized: ${interpolation}`, async () => {
    const transform = resolveTransform({ ...RGBA, size, interpolation: interpolation as keyof typeof PILLOW });
    const { data } = applyTransform(await decodeImage(PNG, 'a.png', { color: 'rgba' }), transform);
    assert.deepEqual([...data], [...pixels]);
  });
}

test('what is not resized keeps its colours, however transparent; what has no alpha is opaque', async () => {
  const transform = resolveTransform({ ...RGBA, size: { width: WIDTH, height: HEIGHT } });
  const { data } = applyTransform(await decodeImage(PNG, 'a.png', { color: 'rgba' }), transform);
  assert.deepEqual(data, BANDS);
  const opaque = await decodeImage(await sharp(PNG).removeAlpha().png().toBuffer(), 'b.png', { color: 'rgba' });
  assert.ok(opaque.data.every((value, at) => at % 4 !== 3 || value === 255));
});

test('a network of four channels takes pictures with alpha, and needs to be told four means or one', async () => {
  const root = tempFolder();
  const filled = (alpha: number) =>
    sharp({ create: { width: 4, height: 4, channels: 4, background: { r: 10, g: 200, b: 30, alpha } } })
      .png()
      .toBuffer();
  const source = writeTree(join(root, 'val'), { 'a/1.png': await filled(0.2), 'b/1.png': await filled(0.9) });
  const model = writeModel(join(root, 'alpha.onnx'), {
    nodes: [
      node('GlobalAveragePool', ['x'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'w', 'b'], ['y'], { transB: 1 }),
    ],
    initializers: [
      { name: 'w', dims: [2, 4], values: [0, 0, 0, -9, 0, 0, 0, 9] },
      { name: 'b', dims: [2], values: [4.5, -4.5] },
    ].map((item) => tensor(item)),
    inputs: [valueInfo('x', ['n', 4, 'h', 'w'])],
    outputs: [valueInfo('y', ['n', 2])],
  });
  const options = { models: [model], data: { source }, device: 'cpu', threads: 1, workers: 1 } as const;
  const { models } = await evaluate({ ...options, transform: { preset: 'none', size: 4 } });
  assert.equal(models[0]?.metrics.top1, 1);
  assert.equal(models[0]?.fields.color, 'rgba');
  await assert.rejects(evaluate({ ...options, transform: { preset: 'timm', size: 4 } }), {
    code: 'USAGE',
    message: /found 3 values, expected 4 for rgba/,
    hint: /the last for alpha/,
  });
});
