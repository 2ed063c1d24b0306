/** eval-ckpt --find-transform: a verdict in words, options that give what was measured, and refusals before any work. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SNAPSHOTS } from '../support/fashion.ts';
import { DATA, evalCkpt, evalFails, evalJson } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const newest = SNAPSHOTS.at(-1) as string;
const WRONG = ['--preset', 'none', '--size', '20', '--mean', '0', '--std', '0.0039216'];
const FIND = [newest, ...DATA, '--limit', '240', '--find-transform'];

test('the options that are printed, pasted, are better than what was given', () => {
  const found = evalCkpt(...FIND, ...WRONG, '--quiet');
  assert.equal(found.status, 0, found.stderr);
  assert.match(
    found.stdout,
    /The first is better than what you gave by \d+\.\d\d points \(p < 0\.0001, McNemar with Holm's correction\) on 120 images/,
  );
  const options = /^1: (.+)$/m.exec(found.stdout)?.[1]?.split(' ') ?? [];
  const { models } = evalJson([newest, ...DATA, '--limit', '240', ...options]);
  assert.ok(Number(models[0]?.top1) > 0.8, options.join(' '));
});

test('a grey network of which nobody says mean and std is no error', () => {
  const found = evalCkpt(...FIND, '--size', '20', '--quiet');
  assert.equal(found.status, 0, found.stderr);
  assert.match(found.stdout, /--mean 0\.286 --std 0\.353/);
});

test('the page and the table say what the text says: verdict, ties, options to paste', () => {
  const folder = tempFolder();
  const [page, csv] = [join(folder, 'found.md'), join(folder, 'found.csv')];
  const run = (...more: string[]) => evalCkpt(...FIND, ...WRONG, '--report', page, '--csv', csv, ...more);
  const found = run();
  assert.equal(found.status, 0, found.stderr);
  const [verdict = ''] = /^The first is better .*$/m.exec(found.stdout) ?? [];
  const [, options = ''] = /^1: (.+)$/m.exec(found.stdout) ?? [];
  // Markdown's escapes taken off.
  const text = readFileSync(page, 'utf8').replaceAll('\\', '');
  assert.ok(verdict !== '' && text.includes(verdict), text);
  assert.ok(options !== '' && text.includes(options));
  assert.match(text, /tied/);
  const rows = readFileSync(csv, 'utf8').trim().split('\n');
  assert.match(rows[0] ?? '', /^options,given,tied,top1,/);
  assert.equal(rows.length - 1, (found.stdout.match(/^\d+: --size/gm) ?? []).length);
  assert.equal(run().status, 3);
  assert.equal(run('--force').status, 0);
  evalFails([...FIND, '--report', 'x.pdf'], 2, 'USAGE', /names no format/);
});

test('what a sample has no use for is refused', () => {
  for (const [option, value] of [
    ['gate', 'top1>=0.5'],
    ['shard', '0/2'],
    ['from', 'p.csv'],
  ] as const)
    evalFails([...FIND, `--${option}`, value], 2, 'USAGE', new RegExp(`--${option} has no use with --find-transform`));
  evalFails([newest, ...FIND], 2, 'USAGE', /2 models, expected one/);
  evalFails([newest, '--find-transform'], 2, 'USAGE', /no data set is named/);
});
