import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factsOf } from '../../../src/report/index.ts';

test('settings that all rows share are said once, others for each label; what was not set is left out', () => {
  const rows = [
    { model: 'a.onnx', provider: 'cpu', model_sha256: 'aa', rows: undefined, limit: null, seed: 0 },
    { model: 'b.onnx', provider: 'cpu', model_sha256: 'bb', rows: undefined, limit: 5, seed: 0 },
  ];
  assert.deepEqual(factsOf(rows, ['provider', 'model_sha256', 'rows', 'limit', 'seed'], 'model'), [
    { name: 'provider', value: 'cpu' },
    { name: 'model_sha256, a.onnx', value: 'aa' },
    { name: 'model_sha256, b.onnx', value: 'bb' },
    { name: 'limit, a.onnx', value: null },
    { name: 'limit, b.onnx', value: 5 },
    { name: 'seed', value: 0 },
  ]);
});

test('several rows of one label are one fact, with each value once', () => {
  const rows = [20, 24, 20].map((test_size) => ({ model: 'a.onnx', test_size, seed: 0 }));
  assert.deepEqual(factsOf([...rows, { model: 'b.onnx', test_size: 20, seed: 0 }], ['test_size', 'seed'], 'model'), [
    { name: 'test_size, a.onnx', value: '20, 24' },
    { name: 'test_size, b.onnx', value: 20 },
    { name: 'seed', value: 0 },
  ]);
});
