import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TransformOptions } from '../../../../src/data/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { classifier, modelFolder, transformOf } from '../../../support/classifier-folder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const TIMM = {
  pretrained_cfg: { input_size: [3, 192, 192], crop_pct: 0.9, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
};
const CLIP = { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: 224 }, crop_size: 224 };

test('an option replaces its field alone, a preset all of them', () => {
  const path = modelFolder(classifier(), { 'config.json': TIMM });
  const of = (options: TransformOptions) => {
    const { crop, resize, interpolation, mean } = transformOf(path, options).transform;
    return [crop.height, resize.height, interpolation, mean[0]];
  };
  assert.deepEqual(of({}), [192, 213, 'bicubic', 0.5]);
  assert.deepEqual(of({ size: 288 }), [288, 320, 'bicubic', 0.5]);
  assert.deepEqual(of({ interpolation: 'bilinear', resize: 200 }), [192, 200, 'bilinear', 0.5]);
  assert.deepEqual(of({ mean: [0.4], std: [0.2] }), [192, 213, 'bicubic', 0.4]);
  assert.deepEqual(of({ preset: 'torchvision' }), [224, 256, 'bilinear', 0.485]);
  assert.deepEqual(of({ config: 'none' }), [224, 256, 'bilinear', 0.485]);
});

test('two sources that differ stop the job with both values and the option that decides, which ends it', () => {
  const path = modelFolder(classifier(), { 'config.json': TIMM, 'preprocessor_config.json': CLIP });
  const { message, hint } = assertFails(() => transformOf(path), 'MISMATCH_VALUE');
  assert.match(message, /size is 192 by .*config\.json \(pretrained_cfg\), 224 by .*preprocessor_config\.json/);
  assert.match(hint ?? '', /`size`/);
  const next = assertFails(() => transformOf(path, { size: 224 }), 'MISMATCH_VALUE');
  assert.match(next.message, /resize is 248 by .*, 224 by /);
  const { transform } = transformOf(path, { size: 224, resize: 224, mean: [0.5], std: [0.5] });
  assert.equal(transform.interpolation, 'bicubic');
  assert.equal(transformOf(path, { preset: 'none', size: 8 }).transform.resize.height, 8);
});

test('a file that says another size than the model is fixed to stops the job', () => {
  const path = modelFolder(classifier({ dims: [1, 3, 224, 224] }), { 'config.json': TIMM });
  assert.match(
    assertFails(() => transformOf(path), 'MISMATCH_VALUE').message,
    /192 by .*, 224 by input x of the graph/,
  );
  assert.equal(transformOf(path, { size: 224 }).transform.resize.height, 248);
});

test('config names another file, or a folder; files above a folder called onnx count too', () => {
  const path = modelFolder(classifier(), { 'config.json': { architectures: ['X'], image_size: 7 } });
  const other = join(tempFolder(), 'other.json');
  writeFileSync(other, JSON.stringify(CLIP));
  assert.equal(transformOf(path, { config: other }).transform.mean[0], 0.48145466);
  const folder = dirname(modelFolder(classifier(), { 'preprocessor_config.json': CLIP }));
  assert.equal(transformOf(path, { config: folder }).transform.framing, 'transformers');
  mkdirSync(join(folder, 'onnx'));
  const below = join(folder, 'onnx', 'model.onnx');
  writeFileSync(below, classifier());
  assert.equal(transformOf(below).transform.mean[0], 0.48145466);
  assertFails(() => transformOf(path, { config: `${other}.missing` }), 'INPUT_NOT_FOUND');
  assertFails(() => transformOf(path, { config: tempFolder() }), 'INPUT_NOT_FOUND');
});

test('metadata of Ultralytics, of ONNX itself, and of people is read', () => {
  const of = (metadata: Record<string, string>) => transformOf(modelFolder(classifier({ metadata }))).transform;
  const theirs = of({
    author: 'Ultralytics',
    task: 'classify',
    imgsz: '[160, 160]',
    names: "{0: 'a', 1: 'b', 2: 'c'}",
  });
  assert.deepEqual([theirs.crop.height, theirs.resize.height, theirs.mean, theirs.std[0]], [160, 160, [0, 0, 0], 1]);
  const bgr = of({ 'Image.BitmapPixelFormat': 'Bgr8', 'Image.NominalPixelRange': 'NominalRange_0_255' });
  assert.deepEqual([bgr.color, bgr.mean[0], bgr.std[0]], ['bgr', 0, 1 / 255]);
  const own = of({ mean: '[123.675, 116.28, 103.53]', std: '(58.395, 57.12, 57.375)', input_size: '[3, 96, 128]' });
  assert.deepEqual(
    [own.crop, own.mean, own.std],
    [{ height: 96, width: 128 }, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]],
  );
  const { notes } = transformOf(modelFolder(classifier({ metadata: { mean: 'rather dark' } })));
  assert.match(notes.join('\n'), /mean: found .*not used/);
});

const file = (name: string, text: string): string => modelFolder(classifier(), { [name]: text });

test('configurations that are broken or hostile are typed errors, and never merged into objects', () => {
  for (const name of ['config.json', 'preprocessor_config.json']) {
    assertFails(() => transformOf(file(name, '{"pretrained_cfg": {')), 'FORMAT_MALFORMED');
    assertFails(() => transformOf(file(name, '[1, 2]')), 'FORMAT_MALFORMED');
    assertFails(() => transformOf(file(name, '{"a":'.repeat(5000))), 'FORMAT_LIMIT');
    assertFails(() => transformOf(file(name, `{"a":${'['.repeat(100_000)}`)), 'FORMAT_LIMIT');
  }
  const timm = (text: string) => transformOf(file('config.json', `{"pretrained_cfg":{${text}}}`));
  for (const text of [
    '"input_size":"3,224,224"',
    '"input_size":[3,224]',
    '"input_size":[3,1e9,1e9]',
    '"crop_pct":-1',
    '"crop_pct":"0.9"',
    '"crop_mode":"fold"',
    '"interpolation":7',
    '"mean":[null]',
    '"std":[0,0,0]',
    `"mean":[${'0,'.repeat(5000)}0]`,
  ])
    assertFails(() => timm(text), 'FORMAT_MALFORMED');
  const processor = (text: string) => transformOf(file('preprocessor_config.json', `{${text}}`));
  for (const text of [
    '"size":"224"',
    '"size":{"height":224}',
    '"size":-3',
    '"size":224,"resample":17',
    '"size":224,"do_normalize":"yes"',
    '"size":224,"image_std":[0.5,0,0.5],"do_normalize":true',
    '"size":224,"rescale_factor":0',
    '"image_processor_type":"ConvNextImageProcessor","crop_pct":0,"size":224',
  ])
    assertFails(() => processor(text), 'FORMAT_MALFORMED');
  const polluted = '{"__proto__":{"mean":[0.1,0.1,0.1]},"constructor":{"prototype":{"size":3}},"size":224}';
  assert.equal(transformOf(file('preprocessor_config.json', polluted)).transform.mean[0], 0);
  assert.equal(({} as { mean?: unknown }).mean, undefined);
});

test('a file of a gigabyte is refused unread', () => {
  const path = file('config.json', '{"a":"');
  truncateSync(join(dirname(path), 'config.json'), 2 ** 30);
  const start = performance.now();
  assertFails(() => transformOf(path), 'FORMAT_LIMIT');
  assert.ok(performance.now() - start < 5000);
  assert.equal(transformOf(path, { preset: 'torchvision' }).transform.crop.height, 224);
});
