import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixResPage, settingsFacts } from '../../../../cli/fix-res/page.ts';
import { fixResText, tuningText } from '../../../../cli/fix-res/text.ts';
import { guardVerdict, type Predictions, scoreBatch } from '../../../../src/evaluate/index.ts';
import type { FixResRecord } from '../../../../src/fixres/index.ts';
import { chartSvg } from '../../../../src/report/index.ts';
import { READING } from '../../../support/reading.ts';

/** 100 images of two classes, of which the first `right` are right. */
function predictions(right: number): Predictions {
  const [rows, classes] = [100, 2];
  const data = Float32Array.from({ length: rows * classes }, (_, i) => (i % 2 === Number(i >> 1 < right) ? 1 : 0));
  const keys = Array.from({ length: rows }, (_, i) => String(i));
  const output = { rows, classes, data, smallest: 2 ** -149, largestBelowOne: 1 - 2 ** -24 };
  return scoreBatch(output, keys, new Int32Array(rows).fill(1), { kind: 'logits' });
}

const history = [1, 2, 3].map((epoch) => ({
  epoch,
  lr: 0.1,
  train_loss: 1 / epoch,
  val_top1: 0.5,
  val_nll: 1 / epoch,
}));

function record(more: Partial<FixResRecord> = {}): FixResRecord {
  const verdict = guardVerdict(predictions(60), predictions(90));
  const fields = { set: 'val', test_size: 28, n_images: 100, nll_before: 1, nll_after: 0.5 };
  return {
    written: { path: 'o.onnx', bytes: 7, sha256: 'f', data: undefined },
    verdict,
    comparisons: [{ set: 'val', size: 28, verdict, fields }],
    ...{ history, epoch: 2, images: 2000, mode: 'paper', trainSize: 20, testSize: 28 },
    layer: { name: 'bn2', kind: 'kept' },
    classifier: 'fc.weight',
    changed: ['fc.weight'],
    reading: READING,
    warnings: [],
    settings: { mode: 'paper', optimizer: { lr: 0.1 }, targets: null },
    ...more,
  };
}

test('the page begins with the verdict', () => {
  const page = fixResPage(record(), 'run/m.onnx', 'fix-res m.onnx');
  assert.equal(page.title, 'FixRes of m.onnx, 20 to 28 px');
  assert.equal(page.summary, 'Better at 28 px: top-1 from 60.00 % to 90.00 % on 100 images.');
  const worse = guardVerdict(predictions(90), predictions(60));
  const refused = fixResPage(record({ verdict: worse, written: undefined }), 'm.onnx', '');
  assert.match(refused.summary ?? '', /^No better at 28 px: .*; nothing was written\.$/);
  assert.match(fixResPage(record({ verdict: worse }), 'm.onnx', '').summary ?? '', /written all the same\.$/);
});

test('epochs are whole numbers on the axis', () => {
  const charts = fixResPage(record(), 'm.onnx', '').sections.flatMap(({ parts }) =>
    parts.filter((part) => typeof part !== 'string' && part.kind === 'lines'),
  );
  assert.equal(charts.length, 2);
  for (const chart of charts) {
    const labels = [...chartSvg(chart).matchAll(/class="quiet middle"[^>]*>([^<]*)</g)].map(([, label]) => label);
    assert.deepEqual(labels, ['1', '2', '3', 'epoch']);
  }
});

test('what was tuned, and on how much, in one line', () => {
  assert.equal(
    tuningText(record()),
    'paper of bn2, fc.weight: loss 1.0000 to 0.3333 in 3 epochs, 2000 images and views',
  );
  assert.equal(
    tuningText(record({ mode: 'stats', history: [], layer: { name: 'conv', kind: 'folded' }, classifier: undefined })),
    'stats of conv (folded): no training, 2000 images and views',
  );
});

test('the text says the verdict, and that nothing was written where it is so', () => {
  assert.match(fixResText(record()), /\nat test size: top-1 60\.00 % before, 90\.00 % after, .*: better\n$/);
  assert.match(fixResText(record({ written: undefined })), /nothing was written: .*--allow-worse/);
});

test('settings are facts by their path; what is not there is left out', () => {
  assert.deepEqual(settingsFacts({ a: { b: 1, c: null }, d: [1, { e: 2 }], f: false, g: undefined }), [
    { name: 'a.b', value: 1 },
    { name: 'd', value: '1, {"e":2}' },
    { name: 'f', value: false },
  ]);
});
