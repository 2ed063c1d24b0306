import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { applyTransform, decodeImageFile } from '../../../../src/data/index.ts';
import { classifier, modelFolder, transformOf } from '../../../support/classifier-folder.ts';

interface Row {
  readonly class: string;
  readonly options: object;
  readonly 'preprocessor_config.json': Record<string, unknown>;
  readonly pictures: Record<string, { readonly shape: number[]; readonly at: number[]; readonly values: number[] }>;
}
const FOLDER = 'fixtures/preprocessing';
const { rows } = JSON.parse(readFileSync(`${FOLDER}/transformers.json`, 'utf8')) as { rows: Row[] };

test("every image processor's configuration gives the shapes and values that transformers gives", async () => {
  assert.ok(rows.length >= 34);
  for (const { class: name, options, 'preprocessor_config.json': config, pictures } of rows) {
    const { transform } = transformOf(modelFolder(classifier(), { 'preprocessor_config.json': config }));
    // Torchvision resizes 8-bit tensors with rounding of its own.
    const tolerance = name.endsWith('Pil') ? 1e-6 : 2 / 255 / Math.min(...transform.std) + 1e-6;
    for (const [picture, { shape, at, values }] of Object.entries(pictures)) {
      const { data } = applyTransform(await decodeImageFile(`${FOLDER}/${picture}`), transform);
      assert.deepEqual([3, transform.crop.height, transform.crop.width], shape, name);
      const worst = at.reduce(
        (most, place, i) => Math.max(most, Math.abs((data[place] as number) - (values[i] as number))),
        0,
      );
      assert.ok(worst <= tolerance, `${name} ${JSON.stringify(options)}, ${picture}: ${worst}`);
    }
  }
});

const read = (config: object) => transformOf(modelFolder(classifier(), { 'preprocessor_config.json': config }));

test('sizes are read in every form that files have', () => {
  const sizes = (config: object) => {
    const { crop, resize, resizeRule } = read(config).transform;
    return [crop.height, crop.width, resize.height, resizeRule];
  };
  // The files of 2021: a number, of a class that squashes, and of one that resizes the short side.
  assert.deepEqual(sizes({ feature_extractor_type: 'ViTFeatureExtractor', size: 384 }), [384, 384, 384, 'squash']);
  assert.deepEqual(
    sizes({ feature_extractor_type: 'CLIPFeatureExtractor', size: 256, crop_size: 224, do_center_crop: true }),
    [224, 224, 256, 'short'],
  );
  assert.deepEqual(sizes({ size: { height: 96, width: 128 }, do_resize: true }), [96, 128, 96, 'squash']);
  assert.deepEqual(
    sizes({ size: { longest_edge: 320 }, crop_size: { height: 224, width: 192 }, do_center_crop: true }),
    [224, 192, 320, 'long'],
  );
  assert.deepEqual(sizes({ do_resize: false, size: 256, do_center_crop: true, crop_size: 224 }), [
    224,
    224,
    224,
    'keep',
  ]);
});

test('switches, factors, offsets and flips change what they say', () => {
  const numbers = (config: object) => {
    const { mean, std, color } = read({ size: 224, ...config }).transform;
    return [mean[0], std[0], color];
  };
  assert.deepEqual(numbers({ do_normalize: false }), [0, 1, 'rgb']);
  assert.deepEqual(numbers({ do_normalize: false, do_rescale: false }), [0, Number((1 / 255).toPrecision(12)), 'rgb']);
  assert.deepEqual(numbers({ do_rescale: false, do_normalize: true, image_mean: [127.5], image_std: [127.5] }), [
    0.5,
    0.5,
    'rgb',
  ]);
  assert.deepEqual(numbers({ do_normalize: false, rescale_factor: 1 / 127.5, rescale_offset: true }), [
    0.5,
    0.5,
    'rgb',
  ]);
  assert.deepEqual(numbers({ do_normalize: false, do_flip_channel_order: true }), [0, 1, 'bgr']);
});

test('what is padded behind the resize keeps its corner, and is 0 for the network', async () => {
  const config = {
    ...{ size: { longest_edge: 96 }, do_resize: true, do_pad: true, pad_size: { height: 96, width: 96 } },
    ...{ image_mean: [0.4, 0.5, 0.6], image_std: [0.2, 0.2, 0.2], do_normalize: true },
  };
  const { transform } = read(config);
  const { data, geometry } = applyTransform(await decodeImageFile(`${FOLDER}/wide.png`), transform);
  assert.deepEqual(geometry.padding, { left: 0, top: 0, right: 0, bottom: 42 });
  assert.deepEqual(new Set(data.subarray(54 * 96, 96 * 96)), new Set([0]));
  assert.notEqual(data[53 * 96], 0);
});

test('members that nobody reads are said', () => {
  assert.match(read({ size: 224, do_solarize: true, crop_pct: 1 }).notes.join('\n'), /not used: do_solarize$/m);
});

test('a short side with a bound for the long one is read where a crop or padding says the size, and refused elsewhere', () => {
  const size = { shortest_edge: 224, longest_edge: 400 };
  const cropped = { do_center_crop: true, crop_size: { height: 96, width: 80 } };
  for (const around of [cropped, { do_pad: true, pad_size: { height: 96, width: 80 } }]) {
    const { resizeRule, resize, crop } = read({ do_resize: true, size, ...around }).transform;
    assert.deepEqual([resizeRule, resize, crop], ['bounded', { height: 224, width: 400 }, { height: 96, width: 80 }]);
  }
  const refused = { code: 'UNSUPPORTED_FORMAT' };
  assert.throws(() => read({ do_resize: true, size }), refused);
  assert.throws(() => read({ do_resize: true, size: { max_height: 9, max_width: 9 }, ...cropped }), refused);
  assert.throws(() => read({ image_processor_type: 'LevitImageProcessor', size, ...cropped }), refused);
});
