/** `tta` flip by hand: linear networks on a few numbers, in both layouts, beside a baseline and an ensemble. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { evaluate } from '../../../src/index.ts';
import { npyBytes } from '../../support/dataset-files.ts';
import { seeded } from '../../support/random.ts';
import { floats, makeModel } from '../../support/small-models.ts';
import { softmax } from '../../support/synthetic-predictions.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const [N, C, H, W, K] = [7, 3, 2, 5, 4];
const SIZE = C * H * W;
const stream = seeded(17);
const numbers = (n: number): number[] => Array.from({ length: n }, () => Math.fround(2 * stream() - 1));
const PIXELS = numbers(N * SIZE);
const LABELS = Array.from({ length: N }, (_, i) => i % K);

type Layout = 'NCHW' | 'NHWC';
const DIMS = { NCHW: [C, H, W], NHWC: [H, W, C] } as const;

function dataOf(layout: Layout) {
  const source = join(root, `${layout}.npy`);
  const labels = join(root, 'labels.npy');
  writeFileSync(source, npyBytes('<f4', `(${[N, ...DIMS[layout]].join(', ')})`, bytes(Float32Array.from(PIXELS))));
  writeFileSync(labels, npyBytes('<i4', `(${N},)`, bytes(Int32Array.from(LABELS))));
  return { source, labels };
}
const bytes = ({ buffer }: Float32Array | Int32Array): Uint8Array => new Uint8Array(buffer);

/** z = W x of all pixels. */
function linear(name: string, layout: Layout, weights: number[]): string {
  const path = join(root, `${name}.onnx`);
  const model = makeModel({
    inputs: [['x', 'FLOAT', ['N', ...DIMS[layout]]]],
    outputs: [['y', 'FLOAT', ['N', K]]],
    nodes: [
      ['Flatten', ['x'], ['f']],
      ['MatMul', ['f', 'w'], ['y']],
    ],
    initializers: [floats('w', [SIZE, K], weights)],
  });
  writeFileSync(path, model);
  return path;
}

/** Where the mirror image has its pixel i from. */
function mirrorPlace(layout: Layout, i: number): number {
  if (layout === 'NCHW') return i - (i % W) + (W - 1 - (i % W));
  const [x, c] = [Math.floor(i / C) % W, i % C];
  return i - (i % (W * C)) + (W - 1 - x) * C + c;
}

function byHand(layout: Layout, weights: readonly number[], image: number): number[] {
  const scores = (from: (i: number) => number): number[] =>
    softmax(
      Array.from({ length: K }, (_, k) => {
        let sum = 0;
        for (let i = 0; i < SIZE; i++) sum += PIXELS[image * SIZE + from(i)]! * weights[i * K + k]!;
        return sum;
      }),
    );
  const [plain, flipped] = [scores((i) => i), scores((i) => mirrorPlace(layout, i))];
  return plain.map((p, k) => (p + flipped[k]!) / 2);
}

for (const layout of ['NCHW', 'NHWC'] as const) {
  test(`${layout}: the row is the mean of the probabilities of image and mirror image, whatever the batch`, async () => {
    const weights = numbers(SIZE * K);
    const model = linear(layout, layout, weights);
    for (const batch of [2, 7]) {
      const { models } = await evaluate({
        models: [model],
        data: dataOf(layout),
        outputs: 'logits',
        tta: 'flip',
        batch,
      });
      assert.deepEqual(
        models.map(({ fields }) => [fields.model, fields.tta]),
        [
          [`${layout}.onnx`, undefined],
          [`${layout}.onnx + flip`, 'flip'],
        ],
      );
      for (const [i, label] of LABELS.entries()) {
        const p = byHand(layout, weights, i);
        assert.ok(Math.abs(models[1]!.predictions.nll[i]! + Math.log(p[label]!)) < 1e-6);
        assert.ok(Math.abs(models[1]!.predictions.confidence[i]! - Math.max(...p)) < 1e-6);
      }
      const [plain, flip] = models.map(({ fields }) => fields);
      assert.ok(Math.abs(Number(flip!.img_s_model) / (Number(plain!.img_s_model) / 2) - 1) < 1e-9);
      assert.equal(flip!.tta_top1_difference, flip!.top1_difference);
      assert.equal(flip!.tta_mcnemar_p, flip!.mcnemar_p);
    }
  });
}

test('a symmetric network answers the same', async () => {
  const weights = numbers(SIZE * K);
  const even = weights.map((w, at) => (w + weights[mirrorPlace('NCHW', Math.floor(at / K)) * K + (at % K)]!) / 2);
  const { models } = await evaluate({
    models: [linear('even', 'NCHW', even)],
    data: dataOf('NCHW'),
    outputs: 'logits',
    tta: 'flip',
  });
  const [plain, flip] = models;
  for (const i of LABELS.keys()) {
    assert.ok(Math.abs(plain!.predictions.nll[i]! - flip!.predictions.nll[i]!) < 1e-6);
    assert.equal(plain!.predictions.top5[5 * i], flip!.predictions.top5[5 * i]);
  }
});

test('each model but the baseline has its row, compared with itself too; the other rows are as without', async () => {
  const [a, b, base] = ['a', 'b', 'base'].map((name) => linear(name, 'NCHW', numbers(SIZE * K)));
  const common = {
    models: [a!, b!],
    baseline: base!,
    ensemble: true,
    data: dataOf('NCHW'),
    outputs: 'logits',
  } as const;
  const { models: without } = await evaluate(common);
  const { models } = await evaluate({ ...common, tta: 'flip' });
  const names = models.map(({ fields }) => String(fields.model));
  assert.deepEqual(names.slice(0, 5), ['base.onnx', 'a.onnx', 'b.onnx', 'a.onnx + flip', 'b.onnx + flip']);
  for (const one of without) {
    const same = models.find(({ fields }) => fields.model === one.fields.model);
    assert.deepEqual(same?.predictions, one.predictions);
  }
  const [plain, flip] = [models[2]!, models[4]!];
  assert.equal(flip.fields.baseline, 'base.onnx');
  assert.ok(Math.abs(Number(flip.fields.tta_top1_difference) - (flip.metrics.top1 - plain.metrics.top1)) < 1e-12);
});

test('what has no scores of all images or classes is refused', async () => {
  await assert.rejects(evaluate({ from: ['p.csv'], tta: 'flip' }), {
    code: 'USAGE',
    message: /`tta` has no use with `from`/,
  });
  const models = [linear('c', 'NCHW', numbers(SIZE * K))];
  const shard = { index: 0, count: 2 };
  const sharded = evaluate({ models, data: dataOf('NCHW'), tta: 'flip', shard });
  await assert.rejects(sharded, { code: 'USAGE', message: /`tta`.*`shard`/ });
});
