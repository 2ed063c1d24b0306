/** eval-ckpt against a baseline: gates on differences, slices, flips, classes, and a summary for a CI job's page. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { SNAPSHOTS } from '../support/fashion.ts';
import { DATA, evalCkpt, evalFails, evalJson, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const [older, newest] = [SNAPSHOTS[0] as string, SNAPSHOTS.at(-1) as string];
const IMAGES = [...DATA, ...TRANSFORM, '--size', '20', '--rows', '0:300'];
const rowsOf = (path: string) => parse(readFileSync(path), { columns: true }) as Record<string, string>[];

evalJson([older, ...IMAGES, '--per-image', at('older.csv')]);
evalJson([newest, ...IMAGES, '--per-image', at('newest.parquet')]);

test('a baseline is a model or its predictions: the same differences, and only the other model is asked', () => {
  const gate = ['--gate', 'top1_diff_lo>=-0.5,img_s_ratio>=0,recall_min>=0'];
  const live = evalJson([newest, ...IMAGES, '--baseline', older, ...gate]).models;
  assert.deepEqual(
    live.map(({ model }) => model),
    ['epoch_14.onnx', 'epoch_25.onnx'],
  );
  const files = evalJson(['--from', at('newest.parquet'), '--baseline', at('older.csv')]).models;
  for (const name of ['top1_difference', 'top1_difference_lo', 'nll_difference', 'mcnemar_p']) {
    assert.equal(files[1]?.[name], live[1]?.[name], name);
  }
});

test('a baseline of the same name is told apart', () => {
  const { models } = evalJson([
    '--from',
    at('newest.parquet'),
    '--baseline',
    at('newest.parquet'),
    '--gate',
    'top1_diff>=0',
  ]);
  assert.deepEqual(
    models.map(({ model }) => model),
    ['epoch_25.onnx (baseline)', 'epoch_25.onnx'],
  );
});

test('a gate on a difference that is missed: exit code 1, and the summary that CI appends says it', () => {
  writeFileSync(at('summary.md'), '# Job\n');
  const gate = ['--gate', 'top1_diff_lo>=0.5,ece_diff<=1,recall_7>=0', '--summary', at('summary.md')];
  const { gates } = evalJson(['--from', at('newest.parquet'), '--baseline', at('older.csv'), ...gate], 1);
  assert.equal(gates.missed.length, 1);
  assert.match(gates.missed[0] ?? '', /^epoch_25\.onnx: missed top1_diff_lo>=0\.5: top1_difference_lo is -?0\.\d+/);
  const summary = readFileSync(at('summary.md'), 'utf8');
  assert.match(summary, /^# Job\n# 2 models evaluated/);
  assert.match(summary, /missed top1/);
  assert.match(summary, /## Against epoch/);
});

test('--tta flip: a row of its own in every output, told from the model without it; not from files', () => {
  const args = [newest, ...IMAGES, '--tta', 'flip', '--baseline', older];
  const out = ['--csv', at('tta.csv'), '--report', at('tta.html')];
  const rows = evalJson([...args, ...out]).models;
  const flip = rows[2];
  assert.deepEqual([rows.length, flip?.model, flip?.tta], [3, 'epoch_25.onnx + flip', 'flip']);
  assert.equal(rowsOf(at('tta.csv'))[2]?.tta_mcnemar_p, String(flip?.tta_mcnemar_p));
  assert.match(readFileSync(at('tta.html'), 'utf8'), /Test-time augmentation/);
  assert.match(evalCkpt(...args).stdout, /epoch_25\.onnx \+ flip against the same without: \S+ points of top-1/);
  evalFails(['--from', at('older.csv'), '--tta', 'flip'], 2, 'USAGE', /--tta has no use with --from/);
});

test('what needs more says so: exit code 2', () => {
  evalFails(['--from', at('newest.parquet'), '--gate', 'top1_diff>=0'], 2, 'USAGE', /difference to what.*--baseline/);
  evalFails(['--from', at('newest.parquet'), '--baseline', older], 2, 'USAGE', /--baseline .*--from/);
  evalFails(
    [newest, ...IMAGES, '--shard', '0/2', '--per-image', at('x.csv'), '--baseline', older],
    2,
    'USAGE',
    /--shard/,
  );
});

test('speed is not in a file of predictions: a gate on its ratio is missed', () => {
  const gate = ['--baseline', at('older.csv'), '--gate', 'img_s_ratio>=0.9'];
  assert.match(evalJson(['--from', at('newest.parquet'), ...gate], 1).gates.missed[0] ?? '', /not measured/);
});

test('classes, confusion, flips, slices and the report come from files alone', () => {
  const keys = rowsOf(at('older.csv')).map(({ key }) => key);
  writeFileSync(
    at('slices.csv'),
    `key,half\n${keys.map((key, i) => `${key},${i % 2 === 0 ? 'even' : '<odd>'}\n`).join('')}`,
  );
  const files = ['--per-class', at('classes.csv'), '--confusion', at('confusion.csv'), '--flips', at('flips.csv')];
  const run = evalCkpt(
    ...['--from', at('newest.parquet'), '--baseline', at('older.csv'), '--slices', at('slices.csv')],
    ...[...files, '--report', at('r.html'), '--json'],
  );
  assert.equal(run.status, 0, run.stderr);
  const { models, slices } = JSON.parse(run.stdout) as { models: Record<string, number>[]; slices: unknown[] };
  assert.equal(slices.length, 4);
  const classes = rowsOf(at('classes.csv'));
  assert.equal(classes.length, 2 * 12);
  const recall = classes.filter(({ model, class: name }) => model === 'epoch_25.onnx' && name === 'macro');
  assert.ok(Math.abs(Number(recall[0]?.recall) - Number(models[1]?.mean_per_class)) < 1e-12);
  const confusion = rowsOf(at('confusion.csv')).filter(({ model }) => model === 'epoch_25.onnx');
  assert.equal(
    confusion.reduce((sum, { count }) => sum + Number(count), 0),
    300,
  );
  const flips = rowsOf(at('flips.csv'));
  assert.equal(flips.filter(({ change }) => change === 'lost').length, models[1]?.only_baseline_right);
  assert.equal(flips.filter(({ change }) => change === 'won').length, models[1]?.only_model_right);
  const page = readFileSync(at('r.html'), 'utf8');
  assert.match(page, /class="chart wide"/);
  assert.match(page, /&lt;odd&gt;/);
  assert.ok(!page.includes('<odd>') && page.length < 3e6);
});
