import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TransformArguments } from '../../../../cli/shared/transform-options.ts';
import { TRANSFORM, transformsOf } from '../../../../cli/shared/transform-options.ts';
import { transformText, transformWords } from '../../../../cli/shared/transform-text.ts';
import type { ErrorCode } from '../../../../src/core/index.ts';
import { type Transform, transformFields } from '../../../../src/data/index.ts';
import type { Session } from '../../../../src/runtime/index.ts';
import { transformFor, type ValueInfo } from '../../../../src/signature/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';

/** All that is asked of a session here is what its file says about its inputs. */
const session = (dims: ValueInfo['dims'], type: ValueInfo['type'] = 'float32'): Session =>
  ({ label: 'm.onnx', inputs: [{ name: 'x', type, dims }], outputs: [] }) as Partial<Session> as Session;
const RGB = session(['N', 3, 'H', 'W']);
/** Options as they are typed: a word, or one for each model. */
type Words = Partial<Record<keyof typeof TRANSFORM, string | string[]>>;
const parsed = (words: Words): TransformArguments =>
  Object.fromEntries(
    Object.entries(words).map(([name, value]) => [name, TRANSFORM[name as keyof typeof TRANSFORM].coerce(value)]),
  );
const transforms = (words: Words, n: number, of = RGB): Transform[] =>
  transformsOf(parsed(words), n).map((options) => transformFor(options, of, undefined));
const one = (words: Words, of = RGB): Transform => transforms(words, 1, of)[0] as Transform;

test('the defaults are those of torchvision: 256, 224, bilinear, ImageNet', () => {
  const { resize, crop, interpolation, mean, color, layout, dtype } = one({});
  assert.deepEqual(
    [resize.height, crop.height, interpolation, mean, color, layout, dtype],
    [256, 224, 'bilinear', [0.485, 0.456, 0.406], 'rgb', 'NCHW', 'float32'],
  );
});

test('layout, channels, size and type come from the model', () => {
  const nhwc = one({}, session([1, 192, 160, 3], 'float16'));
  assert.deepEqual([nhwc.layout, nhwc.crop, nhwc.dtype], ['NHWC', { height: 192, width: 160 }, 'float16']);
  const grey = one({ mean: '0.5', std: '0.5' }, session([-1, 1, 28, 28].map((dim) => (dim < 0 ? 'N' : dim))));
  assert.deepEqual([grey.color, grey.crop.height], ['grey', 28]);
  // A picture 3 pixels wide in NCHW is not NHWC.
  assert.equal(one({ size: '8x3' }, session(['N', 3, 8, 3])).layout, 'NCHW');
  assert.deepEqual(one({ preset: 'none', size: '32' }, session(['N', 3, 'H', 'W'], 'uint8')).mean, []);
});

test("timm's crop ratio rounds the resize target down; numbers per channel are read as given", () => {
  const transform = one({ preset: 'timm', size: '240', 'crop-ratio': '0.95', mean: '0.5', std: '0.1, 0.2,0.3' });
  assert.deepEqual([transform.resize.height, transform.interpolation], [252, 'bicubic']);
  assert.deepEqual(
    [transform.mean, transform.std],
    [
      [0.5, 0.5, 0.5],
      [0.1, 0.2, 0.3],
    ],
  );
});

test('options given once hold for all models, given once per model they go by position, else it is an error', () => {
  const args = { size: ['128', '160'], interpolation: 'bicubic' };
  const both = transforms(args, 2);
  assert.deepEqual(
    both.map(({ crop, interpolation }) => [crop.height, interpolation]),
    [
      [128, 'bicubic'],
      [160, 'bicubic'],
    ],
  );
  assertFails(() => transforms(args, 3), 'USAGE');
});

test('malformed values and what the model contradicts are typed errors', () => {
  const cases: [ErrorCode, Words, Session?][] = [
    ['USAGE', { size: 'big' }],
    ['USAGE', { size: '20x' }],
    ['USAGE', { size: '1x2x3' }],
    ['USAGE', { size: '0' }],
    ['USAGE', { size: '20.5' }],
    ['USAGE', { mean: '0.5,,0.5' }],
    ['USAGE', { mean: '0.5,0.5' }],
    ['USAGE', { std: '0' }],
    ['USAGE', { mean: '123.675,116.28,103.53', std: '58.395,57.12,57.375' }],
    ['USAGE', { std: '0.2,0.2,57.375' }],
    ['USAGE', { mean: '127.5', 'mean-scale': '0' }],
    ['USAGE', { 'mean-scale': '255' }],
    ['USAGE', { resize: '256,288' }],
    ['USAGE', { resize: '256', 'crop-ratio': '0.9' }],
    ['USAGE', { 'crop-ratio': '1.5' }],
    ['USAGE', { 'crop-ratio': '87.5%' }],
    ['USAGE', { preset: 'none' }],
    ['USAGE', { interpolation: 'sinc' }],
    ['USAGE', { color: 'bw' }],
    ['MISMATCH_INPUT', { size: '224' }, session(['N', 3, 192, 192])],
    ['MISMATCH_INPUT', { color: 'rgb' }, session(['N', 1, 'H', 'W'])],
    ['MISMATCH_INPUT', {}, session(['N', 5, 'H', 'W'])],
    ['MISMATCH_INPUT', { color: 'rgb' }, session(['N', 4, 'H', 'W'])],
    ['UNSUPPORTED_GRAPH', {}, session(['N', 784])],
    ['UNSUPPORTED_GRAPH', {}, session(['N', 3, 'H', 'W'], 'int64')],
  ];
  for (const [code, args, of] of cases) assertFails(() => one(args, of), code);
});

test('the text of a transform is the options that give it; network input has no fields', () => {
  for (const args of [
    {},
    { preset: 'timm', size: '288', 'crop-ratio': '1' },
    { preset: 'fixres', size: '160' },
    { size: '200x160', resize: '180', 'resize-rule': 'border', color: 'bgr', orientation: 'exif' },
  ]) {
    const transform = one(args);
    const words = transformText(transform)
      .replace(/ \(.*\)$/, '')
      .split(' ');
    const again: Words = Object.fromEntries(words.flatMap((word, i) => (i % 2 ? [] : [[word.slice(2), words[i + 1]]])));
    assert.deepEqual(one(again), transform);
    assert.equal(transformFields(one(again)).transform_sha256, transformFields(transform).transform_sha256);
  }
  assert.ok(Object.values(transformFields(undefined)).every((value) => value === undefined));
});

test('a mean of pixels to 255 is refused with the value that is meant, and taken with its scale', () => {
  const [mean, std] = ['123.675,116.28,103.53', '58.395,57.12,57.375'];
  const error = assertFails(() => one({ mean, std }), 'USAGE');
  assert.match(error.hint ?? '', /`mean` 0\.485,0\.456,0\.406 `std` 0\.229,0\.224,0\.225, or add `meanScale` 255/);
  assert.deepEqual(
    one({ mean, std, 'mean-scale': '255' }),
    one({ mean: '0.485,0.456,0.406', std: '0.229,0.224,0.225' }),
  );
});

test('the words of a transform give it again, whatever its size, target, rule, filter, colours and type', () => {
  const same = (words: Words, of = RGB): void => {
    const transform = one(words, of);
    const said = transformWords(transform)
      .split(' --')
      .map((part) => part.replace(/^--/, '').split(' '));
    assert.deepEqual(one(Object.fromEntries(said) as Words, of), transform, JSON.stringify(words));
  };
  for (const preset of ['torchvision', 'timm', 'fixres', 'none'])
    for (const size of ['224', '160x224', '21x30']) same({ preset, size });
  for (const rule of ['short', 'long', 'height', 'squash', 'border'])
    same({ size: '20x28', 'crop-ratio': '0.875', 'resize-rule': rule, interpolation: 'lanczos', orientation: 'exif' });
  same({ size: '30', resize: '40', mean: '0.1,0.2,0.30000000000000004', std: '1', color: 'bgr' });
  same({ size: '30', resize: '40x50' });
  const raw = session(['N', 3, 'H', 'W'], 'uint8');
  for (const preset of ['none', 'timm']) same({ preset, size: '32', 'resize-rule': 'border' }, raw);
});
