import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { commandLine } from '../../../../cli/shared/command-line.ts';

test('a command line is quoted for a shell', () => {
  const words = ['my model.onnx', '--data', 'val/', '--gate', "top1>=0.89'"];
  assert.equal(
    commandLine('onnx-temper eval-ckpt', words),
    "onnx-temper eval-ckpt 'my model.onnx' --data val/ --gate 'top1>=0.89'\\'''",
  );
});

test('a word that no line can show is one line, and the same word to bash', () => {
  const word = "a\nb'\\\u001b[2J\u202e\u00e9x";
  const line = commandLine('printf', ['%s', word]);
  assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  const bash = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
  if (bash.error === undefined) assert.equal(bash.stdout, word);
});
