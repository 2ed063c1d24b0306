import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shortPaths } from '../../../../cli/avg-ckpt/short-paths.ts';

test('the folder that all paths share is said once, whole parts of it', () => {
  const of = (...paths: string[]): [string, readonly string[]] => {
    const { heading, names } = shortPaths(paths);
    return [heading, names];
  };
  assert.deepEqual(of('/a/run/e1.onnx', '/a/run/e2.onnx'), ['snapshots in /a/run:\n', ['e1.onnx', 'e2.onnx']]);
  assert.deepEqual(of('/a/run1/e1.onnx', '/a/run/e2.onnx'), ['snapshots in /a:\n', ['run1/e1.onnx', 'run/e2.onnx']]);
  assert.deepEqual(of('run/e1.onnx'), ['snapshots in run:\n', ['e1.onnx']]);
  assert.deepEqual(of('run/sub/e1.onnx', 'run/e2.onnx'), ['snapshots in run:\n', ['sub/e1.onnx', 'e2.onnx']]);
  assert.deepEqual(of('e1.onnx', 'run/e2.onnx'), ['', ['e1.onnx', 'run/e2.onnx']]);
  assert.deepEqual(of('/e1.onnx', '/b/e2.onnx'), ['', ['/e1.onnx', '/b/e2.onnx']]);
  assert.deepEqual(of(), ['', []]);
});
