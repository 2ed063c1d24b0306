/** The preprocessing that a network wants is found by trying, cheaply, and never where there is none to find. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import sharp from 'sharp';
import { evaluate, type FindTransformOptions, type FoundTransformRecord, findTransform } from '../../../src/index.ts';
import { writeTree } from '../../support/dataset-files.ts';
import { FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { seeded } from '../../support/random.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const CPU = { device: 'cpu', threads: 1, workers: 1 } as const;
const SIDE = 8;
const IMAGES = 300;
/** Dark and bright, reddish and blueish: scale, offset and order of colours all matter. */
const COLOURS = [
  [70, 35, 20],
  [20, 35, 70],
  [190, 110, 70],
  [70, 110, 190],
  [230, 220, 210],
  [120, 110, 110],
] as const;

const root = tempFolder();
const pictures = join(root, 'pictures');
const unlabelled = join(root, 'unlabelled');

before(async () => {
  const uniform = seeded(5);
  const files: [string, Uint8Array][] = [];
  for (let i = 0; i < IMAGES; i++) {
    const k = i % COLOURS.length;
    const shift = [0, 1, 2].map(() => 60 * (uniform() - 0.5));
    const data = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, at) => {
      const value = (COLOURS[k] as readonly number[])[at % 3] as number;
      return Math.min(255, Math.max(0, value + (shift[at % 3] as number) + 20 * (uniform() - 0.5)));
    });
    const png = await sharp(data, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .png()
      .toBuffer();
    files.push([`class-${k}/${i}.png`, png]);
  }
  writeTree(pictures, Object.fromEntries(files));
  writeTree(unlabelled, Object.fromEntries(files.map(([name, data]) => [name.replace('/', '-'), data])));
});

type Feed = (colour: readonly number[]) => readonly number[];

/** The class of the nearest colour, in the values that the network is fed: logits 2 m · p - |p|² over a temperature. */
function nearestColour(
  name: string,
  feed: Feed,
  head: readonly ReturnType<typeof node>[] = [],
  more: TestModel['initializers'] = [],
): string {
  const prototypes = COLOURS.map(feed);
  const spread = Math.max(...prototypes.flat()) - Math.min(...prototypes.flat());
  const temperature = spread ** 2 / 60;
  const path = join(root, name);
  writeModel(path, {
    nodes: [
      ...head,
      node('GlobalAveragePool', [head.length > 0 ? 'fed' : 'x'], ['p']),
      node('Flatten', ['p'], ['f']),
      node('Gemm', ['f', 'w', 'b'], ['y'], { transB: 1 }),
    ],
    initializers: [
      tensor({
        name: 'w',
        dims: [COLOURS.length, 3],
        values: prototypes.flat().map((value) => (2 * value) / temperature),
      }),
      tensor({
        name: 'b',
        dims: [COLOURS.length],
        values: prototypes.map((p) => -p.reduce((sum, value) => sum + value ** 2, 0) / temperature),
      }),
      ...(more ?? []),
    ],
    inputs: [valueInfo('x', ['n', 3, SIDE, SIDE])],
    outputs: [valueInfo('y', ['n', COLOURS.length])],
  });
  return path;
}

const find = (model: string, more: Partial<FindTransformOptions> = {}): Promise<FoundTransformRecord> =>
  findTransform({ ...CPU, model, data: { source: pictures }, ...more });

/** The values that the best is fed. */
const fedOf = ({ finalists: [best] }: FoundTransformRecord) =>
  best && { color: best.transform.color, mean: best.transform.mean[0], std: best.transform.std[0] };

function assertCheap({ runs, images, evaluations }: FoundTransformRecord): void {
  assert.ok(runs <= 4 * images, `${runs} runs of ${images} images`);
  assert.ok(evaluations <= 4);
}

test('a network of blue, green and red from 0 to 255 is told from what was given', async () => {
  const model = nearestColour('caffe.onnx', (colour) => [...colour].reverse());
  const found = await find(model);
  assert.equal(found.verdict, 'better');
  assert.deepEqual(fedOf(found), { color: 'bgr', mean: 0, std: 1 / 255 });
  const [best] = found.finalists;
  const given = found.finalists.find(({ isGiven }) => isGiven);
  assert.ok((best?.top1 ?? 0) > 0.9 && (given?.top1 ?? 1) < 0.7);
  assert.ok((given?.against?.pHolm ?? 1) < 0.001);
  assertCheap(found);
});

test('a network of values from -1 to 1 is found', async () => {
  const found = await find(nearestColour('tf.onnx', (colour) => colour.map((value) => value / 127.5 - 1)));
  const best = found.finalists[0];
  assert.ok((best?.top1 ?? 0) > 0.95);
  assert.deepEqual(fedOf(found), { color: 'rgb', mean: 0.5, std: 0.5 });
  assertCheap(found);
});

test('what the graph does by itself is not done twice: found where it was, kept where it was not', async () => {
  const [mean, std] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const constant = (name: string, values: readonly number[]) => tensor({ name, dims: [1, 3, 1, 1], values });
  const model = nearestColour(
    'inside.onnx',
    (colour) => colour.map((value, c) => (value / 255 - (mean[c] as number)) / (std[c] as number)),
    [node('Sub', ['x', 'mean'], ['centred']), node('Div', ['centred', 'std'], ['fed'])],
    [constant('mean', mean), constant('std', std)],
  );
  const twice = await find(model, { transform: { preset: 'torchvision', size: SIDE } });
  assert.equal(twice.verdict, 'better');
  assert.deepEqual(fedOf(twice), { color: 'rgb', mean: 0, std: 1 });
  const once = await find(model);
  assert.deepEqual(fedOf(once), { color: 'rgb', mean: 0, std: 1 });
  assert.ok(once.finalists.some(({ isGiven, tied }) => isGiven && tied));
});

test('the values of a real network are found, at most half a point from the truth', async () => {
  const labels = `${FASHION}/test-labels-idx1-ubyte.gz`;
  const data = { source: `${FASHION}/test-images-idx3-ubyte.gz`, labels, limit: 500 };
  const model = SNAPSHOTS.at(-1) as string;
  const found = await find(model, { data, transform: { preset: 'none', size: 20, mean: [0], std: [1 / 255] } });
  assert.equal(found.verdict, 'better');
  const truth = { preset: 'none', size: 20, mean: [0.286], std: [0.353] } as const;
  const all = await evaluate({
    ...CPU,
    models: [model, model],
    data,
    transform: [truth, found.finalists[0]?.transform ?? {}],
  });
  const [right = 1, best = 0] = all.models.map(({ metrics }) => metrics.top1);
  assert.ok(best > right - 0.005, `${best} against ${right}`);
  assertCheap(found);
});

test('nothing is found for networks that learned nothing', async () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const uniform = seeded(seed);
    const model = nearestColour(`random-${seed}.onnx`, () => [0, 1, 2].map(() => uniform() - 0.5));
    const found = await find(model);
    assert.equal(found.verdict, 'none', `seed ${seed}: top-1 ${found.finalists[0]?.top1}`);
  }
});

test('without labels the certain and varied predictions are named, and nothing is proved', async () => {
  const model = nearestColour('bare.onnx', (colour) => colour.map((value) => value / 127.5 - 1));
  const found = await find(model, { data: { source: unlabelled } });
  assert.equal(found.verdict, 'unlabelled');
  assert.equal(found.labelled, false);
  assert.ok(found.finalists.every(({ top1, nll, tied }) => top1 === undefined && nll === undefined && tied));
  const informations = found.finalists.map(({ information }) => information);
  assert.deepEqual(
    informations,
    informations.toSorted((a, b) => b - a),
  );
  assertCheap(found);
});

test('few images cost no more, and prove nothing', async () => {
  const model = nearestColour('few.onnx', (colour) => [...colour].reverse());
  const found = await find(model, { data: { source: pictures, limit: 12 } });
  assert.notEqual(found.verdict, 'better');
  assertCheap(found);
});

test('a network that fails on some preprocessings is tried with the others', async () => {
  // Log of values below 0 is NaN.
  const model = join(root, 'log.onnx');
  writeModel(model, {
    nodes: [node('Log', ['x'], ['l']), node('GlobalAveragePool', ['l'], ['p']), node('Flatten', ['p'], ['y'])],
    inputs: [valueInfo('x', ['n', 3, SIDE, SIDE])],
    outputs: [valueInfo('y', ['n', 3])],
  });
  const found = await find(model, {
    data: { source: unlabelled, limit: 40 },
    transform: { preset: 'none', size: SIDE, mean: [-0.1], std: [1] },
  });
  assert.ok(found.failed > 0);
});
