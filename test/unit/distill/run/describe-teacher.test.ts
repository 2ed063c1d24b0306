import assert from 'node:assert/strict';
import { test } from 'node:test';
import { teacherNames } from '../../../../src/distill/run/describe-teacher.ts';

test('a store names teachers by file, by folder where the files have one name, and never by place', () => {
  assert.deepEqual(teacherNames(['/data/a.onnx', '/data/b.onnx']), ['a.onnx', 'b.onnx']);
  assert.deepEqual(teacherNames(['/r/checkpoint-5/model.onnx', '/r/checkpoint-10/model.onnx']), [
    'checkpoint-5',
    'checkpoint-10',
  ]);
  assert.deepEqual(teacherNames(['/r/a/m.onnx', '/r/b/m.onnx', '/r/n.onnx']), ['m.onnx', 'm.onnx', 'n.onnx']);
  assert.deepEqual(teacherNames(['m.onnx', 'm.onnx']), ['m.onnx', 'm.onnx']);
});
