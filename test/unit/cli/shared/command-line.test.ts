import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandLine } from '../../../../cli/shared/command-line.ts';

test('a command line is quoted for a shell', () => {
  const words = ['my model.onnx', '--data', 'val/', '--gate', "top1>=0.89'"];
  assert.equal(
    commandLine('onnx-temper eval-ckpt', words),
    "onnx-temper eval-ckpt 'my model.onnx' --data val/ --gate 'top1>=0.89'\\'''",
  );
});
