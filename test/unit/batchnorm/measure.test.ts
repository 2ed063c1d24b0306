import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findLayers, type LevelDone, recalibrateSequentially } from '../../../src/batchnorm/index.ts';
import { openModel } from '../../../src/onnx/index.ts';
import {
  assertNormalised,
  batchesOf,
  bnNode,
  channelMoments,
  imagesOf,
  measureFile,
  normals,
  oneLayer,
  parametersOf,
  recalibrateFile,
} from '../../support/batchnorm.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import {
  floatsOf,
  node,
  rawOf,
  type TestModel,
  tensor,
  value16,
  valueInfo,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let files = 0;
const fresh = (): string => join(root, `${files++}.onnx`);
const DIMS = ['n', 3, 5, 5];

const SIZE = 6;
const WIDTH = 4;
const weights = (seed: number, inputs: number) =>
  Array.from(Float32Array.from(normals(seed, WIDTH * inputs * 9, 0, 0.4)));
const CONVS = [weights(11, 3), weights(12, WIDTH), weights(13, WIDTH)];

/** conv-bn-relu, conv-bn plus a shortcut conv-bn of the same input, relu: two levels, three layers. */
function network(): TestModel {
  const conv = (k: number, input: string) =>
    node('Conv', [input, `w${k}`], [`c${k}`], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  return {
    nodes: [
      conv(0, 'x'),
      bnNode('bn0', 'c0', 'n0'),
      node('Relu', ['n0'], ['r0']),
      conv(1, 'r0'),
      bnNode('bn1', 'c1', 'n1'),
      conv(2, 'n1'),
      bnNode('bn2', 'c2', 'n2'),
      node('Add', ['n2', 'r0'], ['a']),
      node('Relu', ['a'], ['y']),
    ],
    initializers: [
      ...CONVS.map((values, k) => tensor({ name: `w${k}`, dims: [WIDTH, k === 0 ? 3 : WIDTH, 3, 3], values })),
      ...[0, 1, 2].flatMap((k) => parametersOf(`bn${k}`, WIDTH)).map((item) => tensor(item)),
    ],
    inputs: [valueInfo('x', ['n', 3, SIZE, SIZE])],
    outputs: [valueInfo('y', ['n', WIDTH, SIZE, SIZE])],
  };
}

/** 3x3 convolution with a border of zeros, in float64. */
function convolve(x: readonly number[], n: number, inputs: number, filter: readonly number[]): number[] {
  const y = new Array<number>(n * WIDTH * SIZE * SIZE).fill(0);
  const at = (image: number, channel: number, row: number, column: number): number =>
    row < 0 || column < 0 || row >= SIZE || column >= SIZE
      ? 0
      : (x[((image * inputs + channel) * SIZE + row) * SIZE + column] as number);
  for (let i = 0; i < y.length; i++) {
    const [column, row] = [i % SIZE, Math.floor(i / SIZE) % SIZE];
    const [channel, image] = [Math.floor(i / SIZE ** 2) % WIDTH, Math.floor(i / (SIZE ** 2 * WIDTH))];
    for (let k = 0; k < inputs * 9; k++)
      y[i] =
        (y[i] as number) +
        (filter[channel * inputs * 9 + k] as number) *
          at(image, Math.floor(k / 9), row + (Math.floor(k / 3) % 3) - 1, column + (k % 3) - 1);
  }
  return y;
}

/** Population statistics, layer by layer, each layer normalising all images by its own. */
function reference(x: readonly number[], n: number) {
  const relu = (values: readonly number[]) => values.map((value) => Math.max(0, value));
  const found: { mean: number[]; variance: number[] }[] = [];
  const normalise = (values: readonly number[]): number[] => {
    const moments = channelMoments(values, [n, WIDTH, SIZE, SIZE]);
    found.push(moments);
    return values.map((value, i) => {
      const c = Math.floor(i / SIZE ** 2) % WIDTH;
      const deviation = Math.sqrt((moments.variance[c] as number) + Math.fround(1e-4));
      return ((value - (moments.mean[c] as number)) / deviation) * (0.5 + c / 2) - 1 + c / 2;
    });
  };
  const [w0 = [], w1 = [], w2 = []] = CONVS;
  const r0 = relu(normalise(convolve(x, n, 3, w0)));
  normalise(convolve(normalise(convolve(r0, n, WIDTH, w1)), n, WIDTH, w2));
  return found;
}

const IMAGES = 24;
const images = () => imagesOf(7, [IMAGES, 3, SIZE, SIZE]);
const expected = reference(Array.from(images().data as Float32Array), IMAGES);

for (const batch of [24, 5, 1]) {
  test(`sequential, batches of ${batch}: the population statistics of a float64 reference, layer by layer`, async () => {
    const measured = await measureFile(writeModel(fresh(), network()), images(), { method: 'sequential', batch });
    assert.deepEqual(
      measured.map(({ layer }) => [layer.name, layer.level]),
      [
        ['bn0', 0],
        ['bn1', 1],
        ['bn2', 2],
      ],
    );
    for (const [i, { mean, variance }] of expected.entries()) {
      const { statistics } = measured[i] ?? assert.fail();
      for (let c = 0; c < WIDTH; c++) {
        const [m = 0, v = 0] = [statistics.mean[c], statistics.variance[c]];
        assert.ok(
          Math.abs(m - (mean[c] as number)) < 2e-6 * Math.sqrt(variance[c] as number),
          `bn${i} channel ${c}: mean`,
        );
        assert.ok(Math.abs(v / (variance[c] as number) - 1) < 5e-6, `bn${i} channel ${c}: variance`);
      }
    }
  });
}

test('one pass over one batch is exact; over small batches it is exact in the first layer alone', async () => {
  const path = writeModel(fresh(), network());
  const whole = await measureFile(path, images(), { batch: IMAGES });
  const small = await measureFile(path, images(), { batch: 2 });
  const error = (measured: typeof whole, i: number) =>
    Math.max(
      ...(expected[i]?.variance ?? []).map((v, c) => Math.abs((measured[i]?.statistics.variance[c] as number) / v - 1)),
    );
  for (const i of [0, 1, 2]) assert.ok(error(whole, i) < 5e-6);
  assert.ok(error(small, 0) < 1e-6 && error(small, 1) > 1e-3);
});

test('sequential goes on from levels that are done: no pass for them, and the same statistics', async () => {
  const path = writeModel(fresh(), network());
  const model = openModel(path);
  try {
    const { layers } = findLayers(model);
    const done: LevelDone[] = [];
    let passes = 0;
    const options = {
      device: 'cpu' as const,
      threads: 1,
      async *batches() {
        passes++;
        yield* batchesOf(images(), 8);
      },
    };
    const whole = await recalibrateSequentially(model, layers, options, [], (level) => done.push(level));
    assert.deepEqual([passes, done.length], [3, 3]);
    const rest = await recalibrateSequentially(model, layers, options, done.slice(0, 2));
    assert.equal(passes, 4);
    assert.deepEqual(
      rest.measured.map(({ statistics }) => statistics),
      whole.measured.map(({ statistics }) => statistics),
    );
  } finally {
    model.close();
  }
});

test('NaN in the weights: the first layer that meets it and the batch', () => {
  const model = network();
  const initializers = (model.initializers ?? []).map((item) =>
    item.name === 'w1'
      ? tensor({ name: 'w1', dims: [WIDTH, WIDTH, 3, 3], values: [Number.NaN, ...(CONVS[1] ?? []).slice(1)] })
      : item,
  );
  return expectFailure('NUMERIC_NONFINITE', [/^bn1: the mean of channel 0 in batch 0 is NaN/], () =>
    measureFile(writeModel(fresh(), { ...model, initializers }), images()),
  ).then(({ details }) => assert.deepEqual(details, { layer: 'bn1', batch: 0, channel: 0 }));
});

test('an infinity in one image is found in its batch', () => {
  const bad = images();
  bad.data[bad.data.length - 1] = Number.POSITIVE_INFINITY;
  return expectFailure('NUMERIC_NONFINITE', [/^bn0: .* in batch 2 /], () =>
    measureFile(writeModel(fresh(), network()), bad, { batch: 10 }),
  ).then(() => undefined);
});

test('statistics in the file that are NaN, or negative, do no harm', async () => {
  for (const value of [Number.NaN, -5]) {
    const initializers = parametersOf('bn', 3).map((item) =>
      tensor(item.name.includes('running') ? { ...item, values: [value, value, value] } : item),
    );
    const [path, out] = [writeModel(fresh(), oneLayer(DIMS, { initializers })), fresh()];
    const data = imagesOf(1, [16, 3, 5, 5]);
    const { reports } = await recalibrateFile(path, out, data, { batch: 16 });
    assert.ok(Number.isNaN(reports[0]?.mean_shift_rms));
    await assertNormalised(out, imagesOf(1, [16, 3, 5, 5]), [
      { output: 'y', scale: [0.5, 1, 1.5], bias: [-1, -0.5, 0] },
    ]);
  }
});

test('a channel that is constant is counted, though its variance is a rounding', async () => {
  const data = imagesOf(1, [16, 3, 5, 5]);
  for (let i = 0; i < data.data.length; i++) if (Math.floor(i / 25) % 3 === 1) data.data[i] = 0.1;
  const out = fresh();
  const { reports } = await recalibrateFile(writeModel(fresh(), oneLayer(DIMS)), out, data);
  assert.equal(reports[0]?.zero_variance_channels, 1);
  assert.ok((floatsOf(out, 'bn.running_var')[1] as number) < 1e-14);
});

test('--prior blends with what the file has, by images', async () => {
  const [path, out] = [writeModel(fresh(), oneLayer(DIMS)), fresh()];
  const data = imagesOf(1, [16, 3, 5, 5]);
  const { measured } = await recalibrateFile(path, out, data, { prior: 48 });
  const [fresh0 = 0] = measured[0]?.statistics.mean ?? [];
  assert.equal(floatsOf(out, 'bn.running_mean')[0], Math.fround(0.75 * 7 + 0.25 * fresh0));
});

/** A float16 network whose layer is given 300 times the images. */
function half(statistics: 'float16' | 'float32'): TestModel {
  return oneLayer(DIMS, {
    opset: 15,
    nodes: [
      node('Mul', ['x', 'by'], ['m']),
      node('Cast', ['m'], ['h'], { to: 10 }),
      bnNode('bn', 'h', 'n'),
      node('Cast', ['n'], ['y'], { to: 1 }),
    ],
    initializers: [
      tensor({ name: 'by', dims: [], values: [300] }),
      ...parametersOf('bn', 3).map((item, i) => tensor({ ...item, type: i < 2 ? 'float16' : statistics })),
    ],
  });
}
test('a variance beyond float16: refused where it is stored so, served where it is stored in float32', async () => {
  const data = () => imagesOf(1, [16, 3, 5, 5]);
  await expectFailure('NUMERIC_OVERFLOW', [/^bn: running_var: channel 0 .*float16/, /float32/], () =>
    recalibrateFile(writeModel(fresh(), half('float16')), fresh(), data()),
  );
  const out = fresh();
  await recalibrateFile(writeModel(fresh(), half('float32')), out, data());
  assert.ok((floatsOf(out, 'bn.running_var')[0] as number) > 65504);
});

test('float16 statistics are stored in float16, rounded once', async () => {
  const out = fresh();
  const parameters = parametersOf('bn', 3, 'float16').map((item) => tensor(item));
  const nodes = [node('Cast', ['x'], ['h'], { to: 10 }), bnNode('bn', 'h', 'n'), node('Cast', ['n'], ['y'], { to: 1 })];
  const { measured } = await recalibrateFile(
    writeModel(fresh(), oneLayer(DIMS, { nodes, initializers: parameters })),
    out,
    imagesOf(1, [16, 3, 5, 5]),
  );
  const stored = new Uint16Array(new Uint8Array(rawOf(out, 'bn.running_var')).buffer);
  for (const [c, bits] of stored.entries()) {
    const exact = measured[0]?.statistics.variance[c] as number;
    assert.ok(Math.abs(value16('float16', bits) / exact - 1) < 2 ** -11);
  }
});
