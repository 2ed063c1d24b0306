import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextStepKey, provenanceSteps } from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';

const record = (...keys: string[]) => ({ metadata: keys.map((key) => ({ key, value: `of ${key}` })) });

test('steps accumulate in order of number, whatever their order in the file', () => {
  const found = provenanceSteps(record('onnx_temper.10', 'author', 'onnx_temper.9', 'onnx_temper.1'));
  assert.deepEqual(
    found.map(({ step, value }) => [step, value]),
    [
      [1, 'of onnx_temper.1'],
      [9, 'of onnx_temper.9'],
      [10, 'of onnx_temper.10'],
    ],
  );
});

test('the next key is one behind the last, not behind the count', () => {
  assert.equal(nextStepKey(record()), 'onnx_temper.1');
  assert.equal(nextStepKey(record('onnx_temper.7', 'x')), 'onnx_temper.8');
});

test("keys that only look like a step's are someone else's", () => {
  for (const key of [
    'onnx_temper',
    'onnx_temper.',
    'onnx_temper.0',
    'onnx_temper.01',
    'onnx_temper.-1',
    'onnx_temper.1.2',
    'onnx_temper.1e3',
    'onnx_temper.１',
    '__proto__',
  ]) {
    assert.equal(nextStepKey(record(key)), 'onnx_temper.1', key);
  }
});

test('a step that could not be read back is refused', () => {
  assert.equal(nextStepKey(record('onnx_temper.999999998')), 'onnx_temper.999999999');
  assertFails(() => nextStepKey(record('onnx_temper.999999999')), 'FORMAT_LIMIT');
});
