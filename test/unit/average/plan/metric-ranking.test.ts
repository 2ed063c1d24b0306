import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PlanOptions, planRows } from '../../../../src/average/index.ts';
import { assertFails, epochs, filesOf, named } from '../candidates.ts';

const SUMMARY = `epoch,train_loss,eval_loss,eval_top1
1,2.0,1.9,50.0
2,1.0,0.7,71.5
3,0.9,0.8,71.5
4,0.8,0.9,70.0
`;
const best = (k: number, metric: string, more: PlanOptions = {}): PlanOptions => ({
  best: [k],
  metrics: { name: 'summary.csv', text: SUMMARY },
  metric,
  ...more,
});

test('the best k by a timm summary stay in plan order', () => {
  assert.deepEqual(filesOf(epochs(4), best(3, 'eval_top1')), ['epoch_2.onnx', 'epoch_3.onnx', 'epoch_4.onnx']);
});

test('of equal metrics the later snapshot is the better, whatever the order of the inputs', () => {
  assert.deepEqual(filesOf(epochs(4), best(1, 'eval_top1')), ['epoch_3.onnx']);
  assert.deepEqual(filesOf(epochs(4).toReversed(), best(1, 'eval_top1')), ['epoch_3.onnx']);
});

test('with `mode` min less is better', () => {
  assert.deepEqual(filesOf(epochs(4), best(1, 'eval_loss', { mode: 'min' })), ['epoch_2.onnx']);
  assert.deepEqual(filesOf(epochs(4), best(1, 'eval_loss', { mode: 'max' })), ['epoch_1.onnx']);
});

test('a metric that looks like a loss needs a mode', () => {
  for (const metric of ['eval_loss', 'valLoss', 'nll', 'top1_err', 'ece15', 'Brier', 'perplexity', 'wer', 'cer_ctc'])
    assertFails('USAGE', [/`mode` min/, new RegExp(metric)], () =>
      planRows(epochs(1), { best: [1], metrics: { name: 'metrics', text: `epoch,${metric}\n1,2` }, metric }),
    );
  for (const metric of ['officer_acc', 'top1', 'precedence'])
    assert.equal(
      planRows(epochs(1), { best: [1], metrics: { name: 'metrics', text: `epoch,${metric}\n1,2` }, metric }).rows
        .length,
      1,
    );
});

test('a column of file names comes before the epoch, and PyTorch names fit', () => {
  const table = 'epoch,checkpoint,top1\n9,out/checkpoint-1.pth.tar,3\n9,checkpoint-2.pth.tar,2\n';
  const files = named('x/checkpoint-1.onnx', 'x/checkpoint-2.onnx');
  assert.deepEqual(filesOf(files, { best: [1], metrics: { name: 'metrics', text: table }, metric: 'top1' }), [
    'x/checkpoint-1.onnx',
  ]);
});

test('a base name that two records share under different paths matches by path alone', () => {
  const options = {
    best: [1],
    metrics: { name: 'metrics', text: 'file,top1\na/last.onnx,1\nb/last.onnx,2\n' },
    metric: 'top1',
  };
  assert.deepEqual(filesOf(named('a/last.onnx', 'b/last.onnx'), options), ['b/last.onnx']);
  assertFails('FORMAT_TABLE', [/no record for last\.onnx/], () => planRows(named('/abs/a/last.onnx'), options));
});

test('the last record of a snapshot counts, and headers that a resumed run repeats do no harm', () => {
  const resumed = `${SUMMARY}epoch,train_loss,eval_loss,eval_top1\n4,0.7,0.6,80\n`;
  assert.deepEqual(filesOf(epochs(4), best(1, 'eval_top1', { metrics: { name: 'metrics', text: resumed } })), [
    'epoch_4.onnx',
  ]);
});

test('what the table lacks is an error that lists its columns', () => {
  const columns = /epoch, train_loss, eval_loss, eval_top1/;
  assertFails('FORMAT_TABLE', [columns, /no column top1/, /summary\.csv/], () => planRows(epochs(4), best(1, 'top1')));
  assertFails('FORMAT_TABLE', [columns, /no record for epoch_5\.onnx/], () =>
    planRows(epochs(5), best(1, 'eval_top1')),
  );
  assertFails('FORMAT_TABLE', [/no column to find/, columns], () =>
    planRows(named('step_1.onnx'), best(1, 'eval_top1')),
  );
  assertFails('USAGE', [columns, /`metric`/], () =>
    planRows(epochs(4), { best: [1], metrics: { name: 'metrics', text: SUMMARY } }),
  );
  assertFails('USAGE', [/`metrics`/], () => planRows(epochs(4), { best: [1], metric: 'eval_top1' }));
});

test('a metric that is no finite number is an error, not the best one', () => {
  for (const cell of ['nan', '', 'inf', 'Infinity'])
    assertFails('NUMERIC_NONFINITE', [/epoch_2\.onnx/, /epoch, acc/], () =>
      planRows(epochs(2), {
        best: [1],
        metrics: { name: 'metrics', text: `epoch,acc\n1,5\n2,${cell}\n` },
        metric: 'acc',
      }),
    );
});

test('two snapshots of one step need a file column', () => {
  assertFails('FORMAT_TABLE', [/several snapshots/], () =>
    planRows(named('a/epoch_1.onnx', 'b/epoch_1.onnx'), best(1, 'eval_top1')),
  );
});

test('a broken table and stray options are errors', () => {
  assertFails('FORMAT_TABLE', [/m\.csv/], () =>
    planRows(epochs(1), { best: [1], metrics: { name: 'm.csv', text: 'epoch,a\n1,2,3\n' }, metric: 'a' }),
  );
  assertFails('USAGE', [/`metrics` .*`best`/], () =>
    planRows(epochs(1), { metrics: { name: 'metrics', text: SUMMARY } }),
  );
  assertFails('USAGE', [/`mode` .*`best`/], () => planRows(epochs(1), { mode: 'min' }));
});
