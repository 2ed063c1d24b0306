/** Names from outside, in what commands print and write: one line stays one line, and no terminal obeys it. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SNAPSHOTS } from '../support/fashion.ts';
import { avgCkptIn, BN_RECAL, type CliResult, EVAL_CKPT, ONNX_TEMPER, runProgram } from '../support/run-cli.ts';
import { DATA, ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** ESC, CR, BEL, a C1 control, an override of the direction, a line break, a space of no width. */
const HOSTILE = '=a\u001b[2J\r\u0007\u009b31m\u202e\u2066\nforged 99.9 %\u200b';
const OBEYED = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

const root = tempFolder();
/** Two copies of real snapshots, one under a hostile and one under a plain name. */
const [hostile, plain] = [`${HOSTILE}.onnx`, 'a.onnx'];
for (const name of [hostile, plain]) copyFileSync(SNAPSHOTS[0] as string, join(root, name));
copyFileSync(SNAPSHOTS[1] as string, join(root, 'b.onnx'));

const lines = (text: string): number => text.split('\n').length;

/** Runs a command with either name: no line is the name's own, and nothing is there that a terminal obeys. */
function bothWays(run: (name: string, ...more: string[]) => CliResult): { text: CliResult; json: CliResult } {
  const [text, expected] = [run(hostile), run(plain)];
  assert.equal(text.status, expected.status, text.stderr);
  const json = run(hostile, '--json');
  for (const said of [text.stdout, text.stderr, json.stdout, json.stderr]) assert.doesNotMatch(said, OBEYED);
  assert.equal(lines(text.stderr), lines(expected.stderr), text.stderr);
  for (const said of [text.stdout, text.stderr]) assert.doesNotMatch(said, /^forged/m);
  return { text, json };
}

const few = [...DATA, '--rows', '0:50', ...TRANSFORM, '--size', '20', ...ON_CPU];
const absolute = (words: readonly string[]): string[] =>
  words.map((word) => (word.startsWith('fixtures/') ? join(process.cwd(), word) : word));

test('a hostile file name is one line of what inspect, avg-ckpt, bn-recal and eval-ckpt print', () => {
  const { json } = bothWays((name, ...more) => runProgram(ONNX_TEMPER, ['inspect', name, ...more], root));
  assert.equal((JSON.parse(json.stdout) as { files: { file: string }[] }).files[0]?.file, hostile);
  bothWays((name, ...more) => avgCkptIn(root, name, 'b.onnx', '--dry-run', ...more));
  bothWays((name, ...more) => avgCkptIn(root, 'diagnose', name, 'b.onnx', ...more));
  bothWays((name, ...more) => avgCkptIn(root, 'b.onnx', '--out', `out-${name}`, '--force', ...more));
  bothWays((name, ...more) => runProgram(BN_RECAL, [name, '--dry-run', ...more], root));
  bothWays((name, ...more) => runProgram(EVAL_CKPT, [name, 'b.onnx', ...absolute(few), ...more], root));
  // An error names what is not there.
  bothWays((name, ...more) => runProgram(EVAL_CKPT, [`no${name}`, ...absolute(few), ...more], root));
});

test('a table for people computes nothing; a per-image file keeps names, and is read again', () => {
  const words = [hostile, 'b.onnx', ...absolute(few), '--quiet'];
  const run = runProgram(EVAL_CKPT, [...words, '--csv', 't.csv', '--per-image', 'p.csv', '--report', 'r.md'], root);
  assert.equal(run.status, 0, run.stderr);
  const table = readFileSync(join(root, 't.csv'), 'utf8');
  assert.ok(table.includes(`"'${HOSTILE}`), table.slice(0, 400));
  assert.match(table, /^b\.onnx/m);
  assert.ok(readFileSync(join(root, 'p.csv'), 'utf8').includes(`"${HOSTILE}.onnx"`));
  const report = readFileSync(join(root, 'r.md'), 'utf8');
  assert.doesNotMatch(report, /^forged/m);
  assert.doesNotMatch(report, OBEYED);
  const again = runProgram(EVAL_CKPT, ['--from', 'p.csv', '--json', '--quiet'], root);
  assert.equal(again.status, 0, again.stderr);
  const { models } = JSON.parse(again.stdout) as { models: { model: string }[] };
  assert.deepEqual(
    models.map(({ model }) => model),
    [hostile, 'b.onnx'],
  );
  // A table of the product ranks snapshots, apostrophes or not.
  writeFileSync(join(root, 'metrics.csv'), table);
  const best = ['--best', '1', '--metrics', 'metrics.csv', '--metric', 'top1', '--mode', 'max', '--dry-run', '--json'];
  const ranked = avgCkptIn(root, hostile, 'b.onnx', ...best);
  assert.equal(ranked.status, 0, ranked.stderr);
});

test('an empty word is said to be one, by what reads it: a variable of the shell may not be set', () => {
  for (const words of [
    [EVAL_CKPT, '', ...few],
    [EVAL_CKPT, 'b.onnx', '--data', ''],
    [ONNX_TEMPER, 'inspect', ''],
  ]) {
    const [program = '', ...rest] = words;
    const { status, stdout, stderr } = runProgram(program, absolute(rest), root);
    assert.equal(status, 3, stderr);
    assert.match(`${stdout}${stderr}`, /a path is empty/);
  }
});
