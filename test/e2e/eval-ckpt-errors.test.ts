/** eval-ckpt when something is wrong: typed errors before work is done, bad images, interruption. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { fashionLabels, fashionPixels, idxBytes, npyBytes, pngs, writeTree } from '../support/dataset-files.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { EVAL_CKPT, runProgram } from '../support/run-cli.ts';
import { DATA, evalCkpt, evalFails, evalJson, IMAGES, scoresOf, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const COUNT = 30;
/** In the middle of a batch, of a decoding job and of the table. */
const BAD = 13;
const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const newest = SNAPSHOTS.at(-1) as string;
const SIZED = [...TRANSFORM, '--size', '20'];
const ONE = [newest, ...DATA, ...SIZED, '--rows', '0:20'];
const labels = fashionLabels(COUNT);
const table = (rows: readonly number[], label = (i: number): number => labels[i] as number): string =>
  `path,label\n${rows.map((i) => `${i}.png,${label(i)}`).join('\n')}\n`;

before(async () => {
  const images = await pngs(fashionPixels(COUNT));
  const all = [...images.keys()];
  const broken = (images[BAD] as Uint8Array).slice(0, 60);
  writeTree(folder, {
    ...Object.fromEntries(images.map((png, i) => [`set/${i}.png`, i === BAD ? broken : png])),
    'set/all.csv': table(all),
    'set/good.csv': table(all.filter((i) => i !== BAD)),
    'set/bad.csv': table([BAD]),
    'set/missing.csv': 'path,label\n0.png,9\nnowhere.png,1\n1.png,2\n',
    'set/range.csv': table([0, 1, 2], (i) => (i === 2 ? 10 : 0)),
    'ready.npy': npyBytes('<f4', '(2, 1, 20, 20)', new Uint8Array(4 * 800)),
    'two-labels-idx1-ubyte': idxBytes([2], Uint8Array.of(1, 2)),
  });
  mkdirSync(at('empty'));
});

test('a corrupt image stops the run: its row, key and file are named, and the way around it', () => {
  evalFails(
    [newest, '--data', at('set/all.csv'), ...SIZED],
    4,
    'FORMAT_IMAGE',
    /row 14 \(key "13\.png"\).*13\.png: cannot decode.*--on-bad-image skip/,
  );
});

test('--on-bad-image skip leaves it out of everything, counts it, and lists it', () => {
  const skip = [...SIZED, '--on-bad-image', 'skip', '--batch', '8'];
  const { models, bad_images: bad } = evalJson([newest, '--data', at('set/all.csv'), ...skip]);
  assert.deepEqual([models[0]?.n_images, models[0]?.n_bad_images], [COUNT - 1, 1]);
  assert.deepEqual(
    bad.map(({ row, key, code }) => [row, key, code]),
    [[BAD, `${BAD}.png`, 'FORMAT_IMAGE']],
  );
  const without = evalJson([newest, '--data', at('set/good.csv'), ...skip]);
  assert.deepEqual([scoresOf(models[0]), without.bad_images], [scoresOf(without.models[0]), []]);
  const said = evalCkpt(newest, '--data', at('set/all.csv'), ...skip);
  assert.match(said.stderr, /left out 13\.png: .*cannot decode.*\n.*1 bad image is left out.*--quarantine FILE\.csv/s);
  assert.match(said.stdout, /^29 images of/m);
  const [gone] = evalJson([newest, '--data', at('set/missing.csv'), ...skip]).bad_images;
  assert.deepEqual([gone?.row, gone?.code], [1, 'INPUT_NOT_FOUND']);
});

test('--quarantine lists the images that were left out, as CSV, whole or not at all; without any, the header alone', () => {
  const skip = [...SIZED, '--on-bad-image', 'skip'];
  const list = at('bad-images.csv');
  const run = evalCkpt(newest, '--data', at('set/all.csv'), ...skip, '--quarantine', list);
  assert.match(run.stderr, /left out are in .*bad-images\.csv/);
  const [row, ...others] = parse(readFileSync(list), { columns: true }) as Record<string, string>[];
  assert.deepEqual(others, []);
  assert.deepEqual([row?.row, row?.key, row?.code], [String(BAD), `${BAD}.png`, 'FORMAT_IMAGE']);
  assert.match(row?.message ?? '', /cannot decode/);
  const good = [newest, '--data', at('set/good.csv'), ...SIZED, '--quarantine', list];
  evalFails([...good, '--on-bad-image', 'skip'], 3, 'OUTPUT_EXISTS', /bad-images\.csv/);
  evalFails([...good, '--force'], 2, 'USAGE', /--quarantine has no use with --on-bad-image fail/);
  evalJson([...good, '--on-bad-image', 'skip', '--force']);
  assert.equal(readFileSync(list, 'utf8'), 'row,key,code,message\n');
});

test('nothing but bad images is an error, not a division by zero', () => {
  evalFails(
    [newest, '--data', at('set/bad.csv'), ...SIZED, '--on-bad-image', 'skip'],
    3,
    'INPUT_TOO_FEW',
    /no image was evaluated: all 1 are bad.*the first: .*cannot decode/,
  );
});

for (const [what, args, status, code, pattern] of [
  ['a missing model', ['no.onnx', ...DATA, ...SIZED], 3, 'INPUT_NOT_FOUND', /no\.onnx.*Check the path/],
  ['a file that is no model', [IMAGES, ...DATA, ...SIZED], 4, 'FORMAT_MALFORMED', /expected an ONNX model/],
  ['a missing data set', [newest, '--data', at('nowhere'), ...SIZED], 3, 'INPUT_NOT_FOUND', /nowhere/],
  ['no data set', [newest, ...SIZED], 2, 'USAGE', /--data/],
  ['an empty folder', [newest, '--data', at('empty'), ...SIZED], 3, 'INPUT_TOO_FEW', /no images/],
  [
    'a label out of range',
    [newest, '--data', at('set/range.csv'), ...SIZED],
    6,
    'MISMATCH_VALUE',
    /row 3 \(key "2\.png"\): label 10.*0 to 9/,
  ],
  ['unlabelled data', [newest, '--data', IMAGES, ...SIZED], 4, 'FORMAT_LABEL', /no labels.*--labels FILE/],
  [
    'too few labels',
    [newest, '--data', IMAGES, '--labels', at('two-labels-idx1-ubyte'), ...SIZED],
    6,
    'MISMATCH_VALUE',
    /2/,
  ],
  ['a misspelled option', [...ONE, '--szie', '20'], 2, 'USAGE', /szie/],
  ['a misspelled preset', [...ONE, '--preset', 'tim'], 2, 'USAGE', /preset/],
  ['no model', DATA, 2, 'USAGE', /no model is named.*--from/],
  ['models beside --from', [newest, '--from', 'a.csv'], 2, 'USAGE', /--from needs no models/],
  ['data beside --from', ['--from', 'a.csv', ...DATA], 2, 'USAGE', /data.*from/],
  ['a missing --from', ['--from', at('no.csv')], 3, 'INPUT_NOT_FOUND', /no\.csv/],
  ['rows that are not there', [...ONE.slice(0, -1), '9999:10001'], 2, 'USAGE', /9999 to 10001 of 10000/],
  ['no rows', [...ONE.slice(0, -1), '5:5'], 2, 'USAGE', /--rows 5:5/],
  ['a batch of none', [...ONE, '--batch', '0'], 2, 'USAGE', /--batch 0: expected a whole number from 1/],
  ['half a thread', [...ONE, '-b', '1.5'], 2, 'USAGE', /--batch 1\.5/],
  ['a limit of none', [...ONE, '--limit', '0'], 2, 'USAGE', /--limit 0/],
  ['a negative seed', [...ONE, '--seed', '-1'], 2, 'USAGE', /--seed -1: expected a whole number from 0/],
  ['a batch given twice', [newest, ...DATA, '--batch', '1', '--batch', '2'], 2, 'USAGE', /expected one number/],
  ['a size that is none', [...ONE.slice(0, -2), '--size', '20x'], 2, 'USAGE', /size/],
  [
    'ImageNet statistics for a grey network',
    [newest, ...DATA],
    2,
    'USAGE',
    /3 values, expected 1 for grey.*--mean and --std/,
  ],
  ['predictions in an unknown format', [...ONE, '--per-image', at('p.json')], 2, 'USAGE', /\.csv or \.parquet/],
  [
    'a transform of numbers that are network input',
    [newest, '--data', at('ready.npy'), '--labels', at('two-labels-idx1-ubyte'), '--size', '20'],
    2,
    'USAGE',
    /ready for the network, --size has no use/,
  ],
] as const satisfies [string, readonly string[], number, string, RegExp][]) {
  test(`${what}: exit ${status}, ${code}`, () => evalFails(args, status, code, pattern));
}

test('outputs that cannot be written are refused before anything else: the data set here does not even exist', () => {
  writeFileSync(at('there.csv'), 'kept');
  const never = [newest, '--data', at('nowhere'), ...SIZED];
  for (const option of ['--out', '--per-image']) {
    evalFails([...never, option, at('there.csv')], 3, 'OUTPUT_EXISTS', /there\.csv.*--force/);
  }
  evalFails([...never, '--out', at('no/where.csv')], 7, 'OUTPUT_WRITE', /Create the folder/);
  for (const path of [at('empty'), '/dev/null']) {
    if (existsSync(path)) evalFails([...never, '--force', '--out', path], 3, 'OUTPUT_EXISTS', /is no file/);
  }
  evalFails([...never, '--out', ''], 2, 'USAGE', /empty name/);
  evalFails([...never, '--force', '--out', newest], 3, 'OUTPUT_IS_INPUT', /never overwritten/);
  evalFails([...never, '--out', at('x.csv'), '--per-image', at('x.csv')], 2, 'USAGE', /two outputs/);
  evalFails(['--from', at('there.csv'), '--out', at('there.csv'), '--force'], 3, 'OUTPUT_IS_INPUT', /there\.csv/);
  assert.equal(readFileSync(at('there.csv'), 'utf8'), 'kept');
  assert.equal(evalCkpt(...ONE, '--out', at('there.csv'), '--force').status, 0);
  assert.match(readFileSync(at('there.csv'), 'utf8'), /^model,/);
});

test('one image gives a table and a CSV: what one image cannot show stays empty', () => {
  const pair = [SNAPSHOTS[0] as string, ...ONE.slice(0, -1), '0:1', '--out', at('one.csv')];
  const [, row] = evalJson(pair).models;
  assert.deepEqual([row?.n_images, row?.nll_difference_lo], [1, undefined]);
  assert.ok(existsSync(at('one.csv')));
});

test('--device cuda without CUDA fails with the remedy, never a silent CPU', (t) => {
  const run = runProgram(EVAL_CKPT, [...ONE, '--device', 'cuda', '--json', '--quiet']);
  if (run.status === 0) return t.skip('this machine has CUDA');
  const { error } = JSON.parse(run.stdout) as { error: { code: string; hint: string } };
  assert.deepEqual([run.status, error.code], [7, 'EXECUTION_PROVIDER']);
  assert.match(error.hint, /--device cpu/);
  assert.equal(runProgram(EVAL_CKPT, [...ONE, '--device', 'tpu']).status, 2);
});

test('stdout holds the result alone, stderr the notes; a failure in text leaves stdout empty', () => {
  const auto = runProgram(EVAL_CKPT, [...ONE, '--json']);
  // Only where there is an NVIDIA device can CUDA be meant.
  assert.match(auto.stderr, /^(note: running on c(pu|uda).*\n)?$/);
  assert.ok((JSON.parse(auto.stdout) as object) && !auto.stdout.includes('note:'));
  const failed = evalCkpt('no.onnx', ...DATA, ...SIZED);
  assert.equal(failed.stdout, '');
  assert.match(failed.stderr, /^error: no\.onnx: .*\n {2}hint: /);
});

test('Ctrl-C ends with 130 and leaves no file', async () => {
  mkdirSync(at('interrupted'));
  const out = ['--out', at('interrupted/o.csv'), '--per-image', at('interrupted/p.csv')];
  // 10,000 batches of one image take seconds.
  const args = [EVAL_CKPT, newest, ...DATA, ...SIZED, '--batch', '1', ...out];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  setTimeout(() => child.kill('SIGINT'), 1200);
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 130, said);
  assert.match(said, /error: interrupted \(SIGINT\)/);
  assert.deepEqual(readdirSync(at('interrupted')), []);
});

test('a gate that is missed stays missed when nobody reads the result', async () => {
  const child = spawn(process.execPath, [EVAL_CKPT, ...ONE, '--quiet', '--gate', 'top1>=1', '--device', 'cpu'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  child.stdout.destroy();
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 1);
});
