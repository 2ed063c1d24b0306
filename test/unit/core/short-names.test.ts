import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shortNames } from '../../../src/core/index.ts';

test('files are called by name, by the folders that differ where all have one name, by path where some have', () => {
  assert.deepEqual(shortNames(['run/a.onnx', 'run/b.onnx']), ['a.onnx', 'b.onnx']);
  assert.deepEqual(shortNames(['run/c-5/model.onnx', 'run/c-10/model.onnx']), ['c-5', 'c-10']);
  assert.deepEqual(shortNames(['/h/reva/onnx/m.onnx', '/h/revb/onnx/m.onnx']), ['reva', 'revb']);
  assert.deepEqual(shortNames(['a/1/m.onnx', 'b/2/m.onnx']), ['a/1', 'b/2']);
  assert.deepEqual(shortNames(['C:\\run\\c-5\\m.onnx', 'C:\\run\\c-10\\m.onnx']), ['c-5', 'c-10']);
  assert.deepEqual(shortNames(['a/m.onnx', 'b/m.onnx', 'n.onnx']), ['a/m.onnx', 'b/m.onnx', 'n.onnx']);
  assert.deepEqual(shortNames(['m.onnx', 'b/m.onnx']), ['m.onnx', 'b/m.onnx']);
  assert.deepEqual(shortNames(['a/m.onnx', 'a/m.onnx']), ['a/m.onnx', 'a/m.onnx']);
  assert.deepEqual(shortNames(['run/m.onnx']), ['m.onnx']);
});
