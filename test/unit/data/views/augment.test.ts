import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { TemperError } from '../../../../src/core/index.ts';
import {
  type AugmentOptions,
  applyTransform,
  applyView,
  colorJitter,
  drawView,
  type Interpolation,
  type JitterStep,
  resolveTransform,
  type ViewRecord,
  viewPixels,
} from '../../../../src/data/index.ts';
import { noise } from '../../../support/noise.ts';

interface View {
  readonly source: [number, number];
  readonly channels: 1 | 3;
  readonly size: number;
  readonly interpolation: Interpolation;
  readonly options: AugmentOptions;
  readonly draws: number[];
  readonly record: ViewRecord;
  readonly sha256: string;
}
const golden = JSON.parse(readFileSync('fixtures/resample/views.json', 'utf8')) as {
  blends: (JitterStep & { sha256: string })[];
  views: View[];
};

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);
const transformOf = ({ size, interpolation, channels }: View) =>
  resolveTransform({ preset: 'none', size, interpolation, color: channels === 1 ? 'grey' : 'rgb' });

/** A generator for tests only: Park and Miller's minimal standard. */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return (state - 1) / 2147483646;
  };
}

test('views replay to the pixels of Pillow', () => {
  assert.ok(golden.views.length >= 30);
  for (const [i, view] of golden.views.entries()) {
    const image = noise(...view.source, view.channels);
    const pixels = viewPixels(image, view.record, transformOf(view));
    assert.equal(hash(pixels.data), view.sha256, `view ${i}: ${JSON.stringify(view.record)}`);
  }
});

test('views are drawn as torchvision draws them, from the same uniform numbers', () => {
  for (const [i, { source, options, draws: numbers, record }] of golden.views.entries()) {
    const left = [...numbers];
    const drawn = drawView(options, { width: source[0], height: source[1] }, () => left.shift() as number);
    assert.deepEqual(drawn, record, `view ${i}`);
    assert.equal(left.length, 0, `view ${i}: all numbers drawn`);
  }
});

test('enhancements equal ImageEnhance on every level, interpolating and extrapolating', () => {
  const ramp = { data: new Uint8Array(768).map((_, i) => i), width: 16, height: 16, channels: 3 as const };
  assert.ok(golden.blends.length > 30);
  for (const { sha256, ...step } of golden.blends) {
    assert.equal(hash(colorJitter(ramp, [step]).data), sha256, JSON.stringify(step));
  }
});

test('crops stay inside, areas and ratios spread over their ranges, flips are half', () => {
  const source = { width: 320, height: 240 };
  const draw = draws(11);
  const views = Array.from({ length: 4000 }, () => drawView({ randomResizedCrop: {}, flip: 0.5 }, source, draw));
  let area = 0;
  let log = 0;
  for (const { crop } of views) {
    assert.ok(crop && crop.left >= 0 && crop.top >= 0);
    assert.ok(crop.left + crop.width <= 320 && crop.top + crop.height <= 240);
    area += (crop.width * crop.height) / (320 * 240);
    log += Math.log(crop.width / crop.height);
  }
  // By integration: area s in [0.08, 1] and log ratio t, both uniform, kept where the crop fits, s <= 3/4 · exp(t).
  let [kept, areas, logs] = [0, 0, 0];
  for (let t = -Math.log(4 / 3); t < Math.log(4 / 3); t += 1e-4) {
    const most = 0.75 * Math.exp(t);
    kept += most - 0.08;
    areas += (most ** 2 - 0.08 ** 2) / 2;
    logs += t * (most - 0.08);
  }
  assert.ok(Math.abs(area / 4000 - areas / kept) < 0.012, `${area / 4000}, expected ${areas / kept}`);
  assert.ok(Math.abs(log / 4000 - logs / kept) < 0.012, `${log / 4000}, expected ${logs / kept}`);
  const flips = views.filter(({ flip }) => flip).length;
  assert.ok(Math.abs(flips - 2000) < 130, String(flips));
});

test('a record survives JSON, and an empty one is the evaluation transform', () => {
  const image = noise(100, 75, 3);
  const transform = resolveTransform({ size: 24 });
  const options = {
    randomResizedCrop: {},
    flip: 0.5,
    colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4 },
  };
  const record = drawView(options, image, draws(3));
  const stored = JSON.parse(JSON.stringify(record)) as ViewRecord;
  assert.deepEqual(applyView(image, stored, transform), applyView(image, record, transform));
  const none = drawView({}, image, () => assert.fail('nothing is drawn'));
  assert.deepEqual(none, { crop: null, flip: false, jitter: [] });
  assert.deepEqual(applyView(image, none, transform), applyTransform(image, transform).data);
});

test('impossible ranges, and records of another image, are usage errors', () => {
  const usage = (error: unknown): boolean => error instanceof TemperError && error.code === 'USAGE';
  const wrong: AugmentOptions[] = [
    { randomResizedCrop: { scale: [0, 1] } },
    { randomResizedCrop: { scale: [0.5, 1.5] } },
    { randomResizedCrop: { scale: [0.9, 0.5] } },
    { randomResizedCrop: { ratio: [2, 1] } },
    { flip: 2 },
    { colorJitter: { contrast: -1 } },
  ];
  for (const options of wrong) {
    assert.throws(() => drawView(options, { width: 9, height: 9 }, draws(1)), usage, JSON.stringify(options));
  }
  const record = { crop: { left: 5, top: 0, width: 5, height: 5 }, flip: false, jitter: [] };
  assert.throws(() => applyView(noise(9, 9, 3), record, resolveTransform({ size: 4 })), usage);
});

test("FixRes' shifted crop: sideways by up to the whole margin, every place as likely on its side", () => {
  const image = noise(40, 30, 3);
  // 40 x 30 becomes 40 x 30; the crop of 24 leaves 8 pixels left and right, 3 above.
  const transform = resolveTransform({
    preset: 'none',
    size: 24,
    resize: 30,
    resizeRule: 'short',
    interpolation: 'bilinear',
  });
  const at = (shift: number) => viewPixels(image, { crop: null, flip: false, jitter: [], shift }, transform);
  const left = ({ data }: { data: Uint8Array }): number => {
    for (let x = 0; x <= 16; x++) {
      const first = (3 * 40 + x) * 3;
      if (Buffer.compare(image.data.subarray(first, first + 72), data.subarray(0, 72)) === 0) return x;
    }
    return -1;
  };
  assert.deepEqual(
    [0, 0.11, 0.112, -0.112, 0.9999, -0.9999].map((shift) => left(at(shift))),
    [8, 8, 9, 7, 16, 0],
  );
  const source = { width: 40, height: 30 };
  const uniforms = [0.25, 0.9];
  assert.deepEqual(
    drawView({ shiftedCrop: true }, source, () => uniforms.shift() as number),
    {
      crop: null,
      flip: false,
      jitter: [],
      shift: -0.25,
    },
  );
  assert.throws(() => drawView({ shiftedCrop: true, randomResizedCrop: {} }, source, Math.random), TemperError);
});
