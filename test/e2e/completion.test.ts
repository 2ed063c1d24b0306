/** Completion as shells call it: the function that `<program> completion` defines, asked for candidates. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { EVAL_CKPT, ONNX_TEMPER, TEACHER_LOGITS } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** The programs on a PATH, as an installation has them. */
const bin = tempFolder();
const PROGRAMS = { 'eval-ckpt': EVAL_CKPT, 'teacher-logits': TEACHER_LOGITS, 'onnx-temper': ONNX_TEMPER };
for (const [name, path] of Object.entries(PROGRAMS)) {
  writeFileSync(join(bin, name), `#!/bin/sh\nexec '${process.execPath}' '${path}' "$@"\n`, { mode: 0o755 });
}

const has = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

/** What a shell's script prints, its arguments being the words typed so far. */
function linesOf(shell: string, flags: readonly string[], script: string, words: readonly string[]): string[] {
  const PATH = [bin, process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH };
  const run = spawnSync(shell, [...flags, '-c', script, shell, ...words], { env, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.equal(run.stderr, '');
  return run.stdout.split('\n').filter((line) => line !== '');
}

/** The last word is the one that is typed. */
function inBash(...words: string[]): string[] {
  const script = `source <("$1" completion bash)
    COMP_WORDS=("$@")
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    "_\${1//-/_}" "$1" "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  return linesOf('bash', ['--norc'], script, words);
}

/** compadd gives candidates, _files stands for files. */
function inZsh(...words: string[]): string[] {
  const script = `compdef() { :; }
    compadd() { shift; print -l -- "$@"; }
    _files() { print -- FILES; }
    source <("$1" completion zsh)
    program=$1
    words=("$@")
    CURRENT=$#words
    "_\${program//-/_}"`;
  return linesOf('zsh', ['-f'], script, words);
}

const NO_BASH = has('bash') ? false : 'no bash here';
const NO_ZSH = has('zsh') ? false : 'no zsh here';

test('bash completes options, by new and old names', { skip: NO_BASH }, () => {
  assert.deepEqual(inBash('eval-ckpt', 'm.onnx', '--per'), ['--per-image', '--per-class']);
  assert.deepEqual(inBash('eval-ckpt', '--img'), ['--img-size']);
  const all = inBash('eval-ckpt', 'm.onnx', '--');
  for (const option of ['--data', '--csv', '--help']) assert.ok(all.includes(option), option);
});

test('bash completes the values of an option that has few', { skip: NO_BASH }, () => {
  assert.deepEqual(inBash('eval-ckpt', 'm.onnx', '--on-bad-image', ''), ['fail', 'skip']);
  assert.deepEqual(inBash('eval-ckpt', 'm.onnx', '--outputs', 's'), ['sigmoid']);
});

test('bash completes subcommands, and the options behind them', { skip: NO_BASH }, () => {
  assert.deepEqual(inBash('teacher-logits', 'v'), ['verify']);
  assert.deepEqual(inBash('teacher-logits', 'export', 'targets/', '--to', ''), ['npy', 'parquet', 'webdataset']);
  assert.deepEqual(inBash('onnx-temper', 'te'), ['teacher-logits']);
  assert.deepEqual(inBash('onnx-temper', 'teacher-logits', 'score', 'targets/', '--stu'), ['--student']);
});

test('bash leaves words that are files to its own completion', { skip: NO_BASH }, () => {
  assert.deepEqual(inBash('eval-ckpt', './mo'), []);
  assert.deepEqual(inBash('eval-ckpt', 'm.onnx', '--data', ''), []);
  const [bound] = linesOf('bash', ['--norc'], 'source <("$1" completion bash); complete -p "$1"', ['eval-ckpt']);
  assert.match(bound ?? '', /-o default .*-F _eval_ckpt eval-ckpt/);
});

test('zsh completes options, values, subcommands and files', { skip: NO_ZSH }, () => {
  assert.deepEqual(inZsh('eval-ckpt', 'm.onnx', '--per'), ['--per-image', '--per-class']);
  assert.deepEqual(inZsh('eval-ckpt', 'm.onnx', '--on-bad-image', ''), ['fail', 'skip']);
  assert.deepEqual(inZsh('teacher-logits', 'v'), ['verify']);
  assert.deepEqual(inZsh('eval-ckpt', 'm.onnx', '--data', ''), ['FILES']);
});
