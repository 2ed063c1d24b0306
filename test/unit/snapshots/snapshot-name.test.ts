import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidatesOf } from '../../../src/snapshots/index.ts';
import { compareNatural } from '../../../src/snapshots/natural-order.ts';

const read = (...files: string[]) => candidatesOf(files.map((file) => ({ file, mtimeMs: 0 })));
const stepsOf = (...files: string[]) => read(...files).map(({ step }) => step);
const one = (file: string) => {
  const [candidate] = read(file);
  return [candidate?.step, candidate?.unit];
};

test('a number after a word is the step, of the base name without its extensions', () => {
  assert.deepEqual(one('run7/epoch_014.onnx'), [14, 'epoch']);
  assert.deepEqual(one('C:\\runs9\\Epoch-3.onnx'), [3, 'epoch']);
  assert.deepEqual(one('ep12.onnx'), [12, 'epoch']);
  assert.deepEqual(one('sleep12.onnx'), [12, 'unknown']);
  assert.deepEqual(one('epoch=3-step=5004.onnx'), [5004, 'step']);
  assert.deepEqual(one('step=5004-epoch=3.onnx'), [5004, 'step']);
  assert.deepEqual(one('best_acc_top1_epoch_5.onnx'), [5, 'epoch']);
  assert.deepEqual(one('iter_4000.pth.onnx'), [4000, 'step']);
  assert.deepEqual(one('N-Step-Checkpoint_epoch=0_global_step=100.onnx'), [100, 'step']);
  assert.deepEqual(one('epoch=3.0.onnx'), [3, 'epoch']);
});

test('without a word it is the last whole number', () => {
  assert.deepEqual(one('checkpoint-9.pth.tar'), [9, 'unknown']);
  assert.deepEqual(one('checkpoint_3_12000.onnx'), [12000, 'unknown']);
  assert.deepEqual(one('network-0002000-0.050.onnx'), [2000, 'unknown']);
  assert.deepEqual(one('ema_0.9999_050000.onnx'), [50000, 'unknown']);
  assert.deepEqual(one('last.onnx'), [undefined, 'unknown']);
  assert.deepEqual(one('h5.onnx'), [5, 'unknown']);
  assert.deepEqual(one('v12.onnx'), [12, 'unknown']);
});

test('metrics and fractions are no steps', () => {
  for (const name of [
    'model.14-0.237',
    'weights.14-0.29',
    'weights.14.0.237',
    'weights-improvement-14-0.91.hdf5',
    'epoch=14-val_acc=0.8814',
    'epoch_14_acc1_88',
    'model_14_valAcc88',
    'model_14_top1_88',
    '14-lr=1e-05',
  ])
    assert.equal(one(`${name}.onnx`)[0], 14, name);
  assert.deepEqual(one('val_loss=0.23.onnx'), [undefined, 'unknown']);
  assert.deepEqual(one('best-acc88.onnx'), [undefined, 'unknown']);
});

test('how a file was made is no step', () => {
  const suffixes = [
    '-v1',
    '_fp16',
    '_opset17',
    '_op13',
    '-quant',
    '_int8',
    '_w8a8',
    '_8bit',
    '_224x224',
    '_bs32',
    '_seed3',
  ];
  for (const suffix of suffixes) {
    assert.deepEqual(one(`step=1000${suffix}.onnx`), [1000, 'step'], suffix);
    assert.deepEqual(one(`model_7${suffix}.onnx`), [7, 'unknown'], suffix);
    assert.deepEqual(one(`last${suffix}.onnx`), [undefined, 'unknown'], suffix);
  }
});

test('a number that is the same in all names is no step, unless a word says that it is', () => {
  assert.deepEqual(stepsOf('k_0_n13.onnx', 'k_1_n13.onnx', 'k_13_n13.onnx'), [0, 1, 13]);
  assert.deepEqual(stepsOf('ckpt_00_op13.onnx', 'ckpt_04_op13.onnx', 'last_op13.onnx'), [0, 4, undefined]);
  assert.deepEqual(stepsOf('resnet50_a.onnx', 'resnet50_b.onnx'), [undefined, undefined]);
  assert.deepEqual(stepsOf('a_5.onnx', 'b_5.onnx'), [undefined, undefined]);
  assert.deepEqual(stepsOf('step=1000.onnx', 'step=1000-v1.onnx'), [1000, 1000]);
  assert.deepEqual(stepsOf('epoch-3-1200.onnx', 'epoch-3-2400.onnx'), [1200, 2400]);
});

test('folders say the step where base names do not', () => {
  assert.deepEqual(one('run3/checkpoint-900/model.onnx'), [900, 'unknown']);
  assert.deepEqual(one('epoch_5/onnx/inference.onnx'), [5, 'epoch']);
  assert.deepEqual(stepsOf('r/checkpoint-500/model.onnx', 'r/checkpoint-1000/model.onnx', 'r/last.onnx'), [
    500,
    1000,
    undefined,
  ]);
  assert.deepEqual(stepsOf('r/checkpoint-5/m_fp16.onnx', 'r/checkpoint-10/m_fp16.onnx'), [5, 10]);
  assert.deepEqual(stepsOf('r/500/resnet50.onnx', 'r/1000/resnet50.onnx'), [500, 1000]);
  // What all lie in says nothing, and runs are no steps.
  assert.deepEqual(stepsOf('iter_2/last.onnx', 'iter_2/epoch_1.onnx'), [undefined, 1]);
  assert.deepEqual(stepsOf('run1/best.onnx', 'run2/best.onnx'), [undefined, undefined]);
  assert.deepEqual(stepsOf('a/epoch_3.onnx', 'b/epoch_3.onnx'), [3, 3]);
});

test('people call files by what tells them apart, and by nothing above the run', () => {
  const names = (...files: string[]) => read(...files).map(({ name }) => name);
  assert.deepEqual(names('x/run/a.onnx', 'x/run/b.onnx'), ['a.onnx', 'b.onnx']);
  assert.deepEqual(names('x/c-5/onnx/m.onnx', 'x/c-10/onnx/m.onnx'), ['c-5', 'c-10']);
  assert.deepEqual(names('x/a/m.onnx', 'x/b/m.onnx', 'x/c/n.onnx'), ['a/m.onnx', 'b/m.onnx', 'c/n.onnx']);
  assert.deepEqual(names('x/m.onnx', 'x/b/m.onnx'), ['m.onnx', 'b/m.onnx']);
});

test('a suffix is the width of an EMA only where it recurs at other steps, and is one a profile can have', () => {
  const widths = (...names: string[]) => read(...names.map((name) => `${name}.onnx`)).map(({ sigmaRel }) => sigmaRel);
  assert.deepEqual(widths('n-1000-0.050', 'n-2000-0.050'), [0.05, 0.05]);
  assert.deepEqual(widths('n-1-0.050', 'n-1-0.100', 'n-2-0.050', 'n-2-0.100'), [0.05, 0.1, 0.05, 0.1]);
  const none = (...names: string[]) =>
    assert.ok(
      widths(...names).every((width) => width === undefined),
      names.join(),
    );
  none('n-1000-0.050');
  none('n-1000-0.050', 'n-1000-0.100');
  none('m.14-0.237', 'm.15-0.236');
  none('m.14-0.237', 'm.15-0.237', 'm.16-0.236', 'm.17-0.236');
  none('epoch_3-0.912', 'epoch_4-0.912');
  none('epoch_3-0.000', 'epoch_4-0.000');
});

test('digits beyond exact integers are no step, but still sort', () => {
  assert.equal(one('model_90071992547409930.onnx')[0], undefined);
  assert.ok(compareNatural('m_90071992547409931', 'm_90071992547409930') > 0);
});

test('natural order compares runs of digits as numbers, whatever their length and zeros', () => {
  const sorted = ['e_9', 'e_010', 'e_10', 'e_99', 'e_100', 'e_100a', 'ea'];
  assert.deepEqual(sorted.toReversed().sort(compareNatural), sorted);
});

test('a second number behind checkpoint counts steps where it rises with the first, else it is a metric', () => {
  assert.deepEqual(stepsOf('checkpoint_14-237.onnx'), [237]);
  assert.deepEqual(
    stepsOf('checkpoint_14-237.onnx', 'checkpoint_15-253.onnx', 'checkpoint_15-260.onnx'),
    [237, 253, 260],
  );
  assert.deepEqual(stepsOf('checkpoint_14-237.onnx', 'checkpoint_15-221.onnx', 'checkpoint_16-230.onnx'), [14, 15, 16]);
  assert.deepEqual(stepsOf('ckpt-9-41.onnx', 'ckpt-10-38.onnx'), [9, 10]);
});
