import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidateOf } from '../../../src/snapshots/index.ts';
import { compareNatural } from '../../../src/snapshots/natural-order.ts';

test('the step is the last run of digits of the base name, without extension and EMA suffix', () => {
  const read = (file: string) => {
    const { step, unit, sigmaRel } = candidateOf(file, 0);
    return [step, unit, sigmaRel];
  };
  assert.deepEqual(read('run7/epoch_014.onnx'), [14, 'epoch', undefined]);
  assert.deepEqual(read('C:\\runs9\\Epoch-3.onnx'), [3, 'epoch', undefined]);
  assert.deepEqual(read('ep12.onnx'), [12, 'epoch', undefined]);
  assert.deepEqual(read('sleep12.onnx'), [12, 'unknown', undefined]);
  assert.deepEqual(read('epoch=3-step=5004.onnx'), [5004, 'step', undefined]);
  assert.deepEqual(read('checkpoint-9.pth.tar'), [9, 'unknown', undefined]);
  assert.deepEqual(read('network-0002000-0.050.onnx'), [2000, 'unknown', 0.05]);
  assert.deepEqual(read('network-0002000-0.100'), [2000, 'unknown', 0.1]);
  assert.deepEqual(read('last.onnx'), [undefined, 'unknown', undefined]);
  assert.deepEqual(read('h5.onnx'), [5, 'unknown', undefined]);
});

test('a number that no EMA profile can be wide is no EMA suffix, but an accuracy', () => {
  assert.equal(candidateOf('epoch_3-0.912.onnx', 0).sigmaRel, undefined);
  assert.equal(candidateOf('epoch_3-0.000.onnx', 0).sigmaRel, undefined);
});

test('digits beyond exact integers are no step, but still sort', () => {
  assert.equal(candidateOf('model_90071992547409930.onnx', 0).step, undefined);
  assert.ok(compareNatural('m_90071992547409931', 'm_90071992547409930') > 0);
});

test('natural order compares runs of digits as numbers, whatever their length and zeros', () => {
  const sorted = ['e_9', 'e_010', 'e_10', 'e_99', 'e_100', 'e_100a', 'ea'];
  assert.deepEqual(sorted.toReversed().sort(compareNatural), sorted);
});
