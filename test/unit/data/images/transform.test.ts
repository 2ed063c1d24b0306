import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { canonicalJson, TemperError } from '../../../../src/core/index.ts';
import {
  allocateInput,
  applyTransform,
  isEnlarged,
  isPadded,
  planGeometry,
  resolveTransform,
  type TransformOptions,
  toGrey,
  transformHash,
} from '../../../../src/data/index.ts';
import { noise } from '../../../support/noise.ts';

interface Row {
  readonly source: [number, number];
  readonly channels: 1 | 3;
  readonly options: TransformOptions;
  readonly pixels: string;
  readonly float32: string;
  readonly float16: string;
}
const golden = JSON.parse(readFileSync('fixtures/resample/transforms.json', 'utf8')) as {
  table_float32_sha256: string;
  rows: Row[];
};

const hash = (array: ArrayBufferView): string =>
  createHash('sha256')
    .update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    .digest('hex')
    .slice(0, 16);
const usage = (error: unknown): boolean => error instanceof TemperError && error.code === 'USAGE';

test('presets and resize rules give the pixels and the tensors of torchvision and timm, bit for bit', () => {
  assert.ok(golden.rows.length > 150);
  for (const { source, channels, options, pixels, float32, float16 } of golden.rows) {
    const image = noise(...source, channels);
    const { mean: _mean, std: _std, ...raw } = options;
    const mean = channels === 1 ? { mean: [0] } : {};
    const asPixels = resolveTransform({
      ...raw,
      dtype: 'float32',
      layout: 'NHWC',
      ...mean,
      ...(channels === 1 ? { std: [1] } : {}),
    });
    const label = `${source} ${JSON.stringify(options)}`;
    const uint8 = applyTransform(image, { ...asPixels, dtype: 'uint8' });
    assert.equal(hash(uint8.data), pixels, label);
    assert.equal(hash(applyTransform(image, resolveTransform(options)).data), float32, label);
    assert.equal(hash(applyTransform(image, resolveTransform({ ...options, dtype: 'float16' })).data), float16, label);
  }
});

test('Fashion-MNIST at 20 px equals the file that Pillow made', () => {
  const idx = (name: string) => gunzipSync(readFileSync(`fixtures/fashion/${name}-idx3-ubyte.gz`)).subarray(16);
  const [large, small] = [idx('test-images'), idx('test-20px-images')];
  const transform = { ...resolveTransform({ preset: 'none', size: 20, color: 'grey' }), dtype: 'uint8' as const };
  const out = allocateInput(transform, 10_000) as Uint8Array;
  for (let i = 0; i < 10_000; i++) {
    const data = large.subarray(i * 784, (i + 1) * 784);
    applyTransform({ data, width: 28, height: 28, channels: 1 }, transform, out.subarray(i * 400, (i + 1) * 400));
  }
  assert.ok(small.equals(out));
});

test('the 256 levels normalise to the float32 of torch', () => {
  const levels = new Uint8Array(768).map((_, i) => Math.floor(i / 3));
  const image = { data: levels, width: 256, height: 1, channels: 3 as const };
  const transform = resolveTransform({
    preset: 'torchvision',
    size: { width: 256, height: 1 },
    resizeRule: 'squash',
    resize: 1,
  });
  assert.equal(hash(applyTransform(image, transform).data), golden.table_float32_sha256);
});

test('geometry of known cases: rounding down of the long side, half to even of the offset, portraits of FixRes', () => {
  const crop = { width: 224, height: 224 };
  const resize = { width: 256, height: 256 };
  const landscape = planGeometry({ width: 500, height: 375 }, { resizeRule: 'short', resize, crop });
  assert.deepEqual(landscape.resized, { width: 341, height: 256 });
  assert.deepEqual(landscape.crop, { left: 58, top: 16, ...crop });
  const portrait = planGeometry({ width: 375, height: 500 }, { resizeRule: 'height', resize, crop });
  assert.deepEqual(portrait.resized, { width: 192, height: 256 });
  assert.deepEqual(portrait.padding, { left: 16, top: 0, right: 16, bottom: 0 });
  assert.ok(isPadded(portrait) && !isPadded(landscape));
  assert.ok(!isEnlarged(landscape));
  assert.ok(isEnlarged(planGeometry({ width: 500, height: 200 }, { resizeRule: 'short', resize, crop })));
  assert.deepEqual(planGeometry({ width: 1, height: 1000 }, { resizeRule: 'long', resize, crop }).resized, {
    width: 1,
    height: 256,
  });
});

test('a picture a thousand times wider than high is cropped without resizing the whole', () => {
  const data = new Uint8Array(100_000 * 3).fill(7);
  const { geometry, data: out } = applyTransform(
    { data, width: 100_000, height: 1, channels: 3 },
    resolveTransform({ dtype: 'uint8' }),
  );
  assert.deepEqual(geometry.resized, { width: 25_600_000, height: 256 });
  assert.ok(out.every((value) => value === 7));
});

test('defaults of the presets', () => {
  const side = (n: number) => ({ width: n, height: n });
  const torchvision = resolveTransform();
  assert.deepEqual(torchvision, {
    orientation: 'ignore',
    resizeRule: 'short',
    resize: side(256),
    crop: side(224),
    interpolation: 'bilinear',
    color: 'rgb',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    fill: [0, 0, 0],
    layout: 'NCHW',
    dtype: 'float32',
  });
  assert.equal(resolveTransform({ preset: 'timm' }).interpolation, 'bicubic');
  assert.deepEqual(resolveTransform({ preset: 'fixres', size: 288 }).resize, side(329));
  const none = resolveTransform({ preset: 'none', size: 20 });
  assert.deepEqual([none.resizeRule, none.resize, none.mean, none.std], ['squash', side(20), [0, 0, 0], [1, 1, 1]]);
  assert.equal(resolveTransform({ preset: 'none', size: 20, resize: 24 }).resizeRule, 'short');
  assert.deepEqual(resolveTransform({ preset: 'timm', resizeRule: 'border' }).fill, [124, 116, 104]);
});

test('colour orders, layouts and grey say the same pixels in another order', () => {
  const image = noise(13, 11, 3);
  const base: TransformOptions = { preset: 'torchvision', size: 8 };
  const area = 64;
  const rgb = applyTransform(image, resolveTransform(base)).data;
  const bgr = applyTransform(image, resolveTransform({ ...base, color: 'bgr' })).data;
  const nhwc = applyTransform(image, resolveTransform({ ...base, layout: 'NHWC' })).data;
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < area; i++) {
      assert.equal(bgr[(2 - c) * area + i], rgb[c * area + i]);
      assert.equal(nhwc[i * 3 + c], rgb[c * area + i]);
    }
  }
  const grey: TransformOptions = { ...base, color: 'grey', mean: [0.5], std: [0.5] };
  assert.deepEqual(
    applyTransform(image, resolveTransform(grey)),
    applyTransform(toGrey(image), resolveTransform(grey)),
  );
  const single = applyTransform(toGrey(image), resolveTransform(base)).data;
  assert.equal(single.length, 3 * area);
});

test('a batch is filled in place, and an array of another type or length is refused', () => {
  const image = noise(13, 11, 3);
  const transform = resolveTransform({ size: 8, dtype: 'float16' });
  const batch = allocateInput(transform, 2);
  applyTransform(image, transform, batch.subarray(192));
  assert.ok(batch.subarray(0, 192).every((value) => value === 0));
  assert.deepEqual(batch.slice(192), applyTransform(image, transform).data);
  assert.throws(() => applyTransform(image, transform, batch), usage);
  assert.throws(() => applyTransform(image, transform, new Float32Array(192)), usage);
});

test('equal transforms have equal hashes, whatever was spelled out; others have others', () => {
  const spelled = resolveTransform({
    preset: 'none',
    size: 224,
    resize: 256,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  });
  assert.equal(transformHash(spelled), transformHash(resolveTransform()));
  assert.match(transformHash(spelled), /^[0-9a-f]{64}$/);
  assert.notEqual(transformHash(resolveTransform({ interpolation: 'box' })), transformHash(spelled));
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: 'x' }], a: 0.1, e: undefined }),
    '{"a":0.1,"b":[1,{"c":"x","d":null}]}',
  );
});

test('contradictory or impossible options are usage errors', () => {
  const wrong: TransformOptions[] = [
    { size: 0 },
    { size: 22.4 },
    { resize: 256, cropRatio: 0.875 },
    { resize: 0 },
    { cropRatio: 0 },
    { cropRatio: 1.2 },
    { mean: [0.5, 0.5] },
    { std: [0] },
    { mean: [Number.NaN] },
    { color: 'grey' },
    { dtype: 'uint8', mean: [0.5] },
    { interpolation: 'cubic' as 'bicubic' },
  ];
  for (const options of wrong) assert.throws(() => resolveTransform(options), usage, JSON.stringify(options));
});

test('a grey network of raw pixels needs no mean', () => {
  const { mean, std, fill } = resolveTransform({ color: 'grey', dtype: 'uint8' });
  assert.deepEqual([mean, std, fill], [[], [], [0]]);
});
