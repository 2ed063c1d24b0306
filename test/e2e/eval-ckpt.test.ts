/** eval-ckpt as a user runs it: what it prints and writes, gates, predictions that are read back, choosing rows. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';
import { fashionLabels, fashionPixels, pngs, writeTree } from '../support/dataset-files.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { EVAL_CKPT, ONNX_TEMPER, runProgram } from '../support/run-cli.ts';
import {
  DATA,
  evalCkpt,
  evalFails,
  evalJson,
  ON_CPU,
  type Row,
  scoresOf,
  TRANSFORM,
  withoutTiming,
} from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const [older, newest] = [SNAPSHOTS[0] as string, SNAPSHOTS.at(-1) as string];
const PAIR = [older, newest, ...DATA, ...TRANSFORM, '--size', '20', '--rows', '0:200'];
const ONE = [newest, ...DATA, ...TRANSFORM, '--size', '20', '--rows', '0:200'];

const first = evalCkpt(...PAIR, '--json', '--out', at('a.csv'), '--per-image', at('a.parquet'));
const models = (JSON.parse(first.stdout) as { models: Row[] }).models;
const table = evalCkpt(...PAIR, '--out', at('b.csv'), '--per-image', at('b.csv.csv'));
const rowsOf = (path: string): Record<string, string>[] =>
  parse(readFileSync(path), { columns: true }) as Record<string, string>[];

test('the table on stdout says the scores, the comparison, the data, the provider and the transform; stderr nothing', () => {
  assert.equal(table.status, 0, table.stderr);
  const [scores, speed, paired, settings] = table.stdout.split('\n\n').map((part) => part.split('\n'));
  const [header, one, two] = scores ?? [];
  const [against, pair] = paired ?? [];
  assert.match(speed?.[0] ?? '', /^model\s+img\/s\s+95 % interval\s+times\s+95 % interval\s+p50 ms$/);
  assert.match(header ?? '', /^model\s+top-1 %\s+95 % interval\s+top-5 %\s+NLL\s+Brier\s+ECE \(ideal\)/);
  assert.match(one ?? '', /^epoch_14\.onnx\s+8\d\.\d\d\s+\d\d\.\d\d to \d\d\.\d\d/);
  assert.match(two ?? '', /^epoch_25\.onnx\s/);
  assert.match(against ?? '', /^against epoch_14\.onnx\s+top-1 points/);
  assert.match(pair ?? '', /^epoch_25\.onnx\s+[-+]?\d/);
  assert.match(paired?.[2] ?? '', /^(On these images no model can be told|Told) from epoch_14\.onnx/);
  assert.ok(settings?.slice(1, -1).every((line) => line.startsWith('wrote ')));
  assert.match(
    settings?.[0] ?? '',
    /^200 images of .*test-images-idx3-ubyte\.gz on cpu, batches of 64; transform --size 20 --resize 20 --resize-rule squash --interpolation bilinear --mean 0\.286 --std 0\.353 --color grey/,
  );
  assert.equal(table.stderr, '');
});

test('the options that the table prints give the same numbers', () => {
  const printed = /transform (.*) \(float32 NCHW\)/.exec(table.stdout)?.[1]?.split(' ') ?? [];
  const [row] = evalJson([older, ...DATA, '--rows', '0:200', ...printed]).models;
  assert.deepEqual(scoresOf(row), scoresOf(models[0]));
  assert.equal(row?.transform_sha256, models[0]?.transform_sha256);
});

test('graphs that are equal but for their weights are equally fast, in every form', () => {
  const [one, two] = models;
  for (const name of ['img_s_model', 'img_s_model_lo', 'img_s_model_hi', 'ms_p50', 'ms_p95'])
    assert.equal(one?.[name], two?.[name], name);
  assert.deepEqual(
    [one?.speed_ratio, two?.speed_ratio, two?.speed_ratio_lo, two?.speed_ratio_hi],
    [undefined, 1, 1, 1],
  );
  assert.ok(
    Number(one?.img_s_model_lo) < Number(one?.img_s_model) && Number(one?.img_s_model_hi) > Number(one?.img_s_model),
  );
  // As fast and less right is not on the front.
  const best = Math.max(...models.map(({ top1 }) => Number(top1)));
  for (const row of models) assert.equal(row.pareto, row.top1 === best);
  assert.equal(rowsOf(at('a.csv'))[1]?.speed_ratio, '1');
});

test('--json: fields in lower_snake_case, numbers, provenance of every number', () => {
  for (const row of models) for (const name of Object.keys(row)) assert.match(name, /^[a-z0-9]+(_[a-z0-9]+)*$/);
  const [one, two] = models;
  assert.deepEqual(
    [one?.model, one?.n_images, one?.provider, one?.batch, one?.test_size, one?.resize_size, one?.crop_ratio],
    ['epoch_14.onnx', 200, 'cpu', 64, 20, 20, 1],
  );
  assert.deepEqual([one?.rows, one?.seed, one?.n_bad_images, one?.outputs], ['0:200', 0, 0, 'logits']);
  for (const name of ['model_sha256', 'data_table_sha256', 'transform_sha256']) {
    assert.match(String(one?.[name]), /^[0-9a-f]{64}$/);
  }
  for (const name of ['img_s_model', 'img_s_end2end', 'ms_p50', 'ms_p95']) assert.ok(Number(one?.[name]) > 0, name);
  assert.equal(two?.baseline, 'epoch_14.onnx');
  assert.ok(Math.abs(Number(two?.top1_difference) - (Number(two?.top1) - Number(one?.top1))) < 1e-12);
  assert.ok(Number(two?.mcnemar_p) > 0 && Number(two?.mcnemar_p) <= 1);
});

test('--out is the same rows as CSV; the same input gives the same bytes apart from times', () => {
  const [a, b] = [rowsOf(at('a.csv')), rowsOf(at('b.csv'))];
  const bare = (rows: Record<string, string>[]): Row[] => rows.map(withoutTiming);
  assert.deepEqual(bare(a), bare(b));
  assert.equal(readFileSync(at('a.csv'), 'utf8').split('\n')[0], readFileSync(at('b.csv'), 'utf8').split('\n')[0]);
  for (const [i, row] of a.entries()) {
    for (const [name, cell] of Object.entries(row)) assert.equal(cell, String(models[i]?.[name] ?? ''), name);
  }
});

test('--per-image: CSV and Parquet hold the same rows, one an image and model', async () => {
  const csv = rowsOf(at('b.csv.csv'));
  const parquet = await parquetReadObjects({ file: await asyncBufferFromFile(at('a.parquet')) });
  assert.equal(csv.length, 400);
  const columns = ['model', 'key', 'label', 'class1', 'class2', 'class3', 'class4', 'class5'];
  assert.deepEqual(Object.keys(csv[0] ?? {}), [...columns, 'nll', 'confidence', 'sum_p2']);
  // Numbers are compared as numbers: a decimal in the file is the float64 itself.
  const numbers = (row: Record<string, unknown>): unknown[] =>
    Object.entries(row).map(([name, cell]) => (name === 'model' || name === 'key' ? cell : Number(cell)));
  assert.deepEqual(csv.map(numbers), parquet.map(numbers));
  assert.deepEqual(
    csv.slice(0, 200).map(({ label }) => Number(label)),
    fashionLabels(200),
  );
});

test('--from either gives every number of the first run, bit for bit, and records the file', () => {
  for (const path of [at('a.parquet'), at('b.csv.csv')]) {
    const read = evalJson(['--from', path]).models;
    for (const [i, row] of read.entries()) {
      const { predictions, predictions_sha256: sha256, seed: _seed, version: _version, ...numbers } = row;
      for (const [name, value] of Object.entries(numbers)) assert.equal(value, models[i]?.[name], name);
      assert.deepEqual(scoresOf(row), scoresOf(models[i]));
      assert.ok(path.endsWith(String(predictions)) && /^[0-9a-f]{64}$/.test(String(sha256)));
    }
    assert.equal(read[1]?.mcnemar_p_holm, models[1]?.mcnemar_p_holm);
  }
  const again = evalCkpt('--from', at('a.parquet'), '--per-image', at('c.csv'));
  assert.equal(again.status, 0, again.stderr);
  assert.deepEqual(readFileSync(at('c.csv')), readFileSync(at('b.csv.csv')));
});

test('--from keeps apart a model that was measured twice, and files of one name in two folders', () => {
  const names = ['run1', 'run2'].map((name) => {
    mkdirSync(at(name));
    writeFileSync(at(`${name}/best.onnx`), readFileSync(name === 'run1' ? older : newest));
    return at(`${name}/best.onnx`);
  });
  const run = evalJson([...names, ...PAIR.slice(2), '--per-image', at('best.parquet')]).models;
  assert.deepEqual(
    run.map(({ model }) => model),
    ['run1', 'run2'],
  );
  assert.deepEqual(evalJson(['--from', at('best.parquet')]).models.map(scoresOf), run.map(scoresOf));
  const twice = [newest, newest, ...DATA, ...TRANSFORM, '--size', '20', '--size', '28', '--rows', '0:50'];
  const sizes = evalJson([...twice, '--per-image', at('twice.csv')]).models;
  const read = evalJson(['--from', at('twice.csv')]).models;
  assert.deepEqual(
    read.map(({ model }) => model),
    ['epoch_25.onnx', 'epoch_25.onnx (2)'],
  );
  assert.deepEqual(read.map(scoresOf), sizes.map(scoresOf));
});

test('--gate: met is 0, missed 1 with the reason, malformed 2 before any work', () => {
  const from = ['--from', at('a.parquet')];
  const met = evalCkpt(...from, '--gate', 'top1>=0.5,nll<=2');
  assert.deepEqual([met.status, met.stdout.includes('met top1>=0.5,nll<=2')], [0, true]);
  const missed = evalCkpt(...from, '--gate', 'top1:0.99');
  assert.equal(missed.status, 1);
  assert.match(missed.stdout, /^epoch_14\.onnx: missed top1:0\.99: top1 is 0\.\d+$/m);
  const { gates } = evalJson([...from, '--gate', 'top1:0.99'], 1);
  assert.deepEqual([gates.passed, gates.missed.length], [false, 2]);
  // Speed was not measured here.
  assert.match(evalJson([...from, '--gate', 'img_s_model>1'], 1).gates.missed[0] ?? '', /not measured/);
  for (const gate of ['top1', 'accuracy>=0.9', 'top1>=x', 'top1>=76.1', 'top1==0.9', '']) {
    evalFails(['no.onnx', '--data', 'nowhere', '--gate', gate], 2, 'USAGE', /--gate/);
  }
});

test('--rows, --limit and --seed choose images: ranges add up, limits are balanced and repeatable', () => {
  const n = (args: string[]): Row =>
    evalJson([newest, ...DATA, ...TRANSFORM, '--size', '20', ...args]).models[0] as Row;
  const [head, tail, all] = [n(['--rows', ':80']), n(['--rows', '80:200']), n(['--rows', '0:200'])];
  assert.deepEqual([head.n_images, tail.n_images, all.n_images], [80, 120, 200]);
  const right = (row: Row): number => Math.round(Number(row.top1) * Number(row.n_images));
  assert.equal(right(head) + right(tail), right(all));
  const [a, b, c] = [n(['--limit', '100']), n(['--limit', '100']), n(['--limit', '100', '--seed', '7'])];
  assert.deepEqual(withoutTiming(a), withoutTiming(b));
  assert.notEqual(a.nll, c.nll);
  assert.deepEqual([a.limit, c.seed], [100, 7]);
  // Ten images of each of ten classes.
  assert.ok(Math.abs(Number(a.mean_per_class) - Number(a.top1)) < 1e-12);
});

test('--valid-classes: class indices as labels, and places in the list where the data has just as many classes (timm)', async () => {
  const keep = [1, 5, 9];
  writeFileSync(at('valid.txt'), `${keep.join('\n')}\n`);
  const chosen = fashionLabels(200).flatMap((label, i) => (keep.includes(label) ? [{ label, i }] : []));
  const pixels = fashionPixels(200);
  const images = await pngs(chosen.map(({ i }) => pixels[i] as Uint8Array));
  const files = images.map((png, k) => ({ png, label: chosen[k]?.label as number, name: `${chosen[k]?.i}.png` }));
  writeTree(at('subset'), Object.fromEntries(files.map(({ png, label, name }) => [`class ${label}/${name}`, png])));
  writeTree(at('flat'), Object.fromEntries(files.map(({ png, name }) => [name, png])));
  writeFileSync(at('flat/t.csv'), `path,label\n${files.map(({ label, name }) => `${name},${label}`).join('\n')}\n`);
  const options = [...TRANSFORM, '--size', '20', '--valid-classes', at('valid.txt')];
  const [byPlace] = evalJson([newest, '--data', at('subset'), ...options]).models;
  const [byClass] = evalJson([newest, '--data', at('flat/t.csv'), ...options]).models;
  assert.equal(byPlace?.n_images, chosen.length);
  for (const name of ['top1', 'top5', 'mean_per_class']) assert.equal(byPlace?.[name], byClass?.[name]);
  assert.ok(Math.abs(Number(byPlace?.nll) - Number(byClass?.nll)) < 1e-12);
  // Of three classes all are among the best five.
  assert.equal(byPlace?.top5, 1);
  evalFails([newest, ...DATA, ...options], 6, 'MISMATCH_VALUE', /label \d is none of the 3 in .*valid\.txt/);
  const [row] = evalJson([newest, '--data', at('subset'), ...options]).models;
  const sha256 = createHash('sha256')
    .update(readFileSync(at('valid.txt')))
    .digest('hex');
  assert.deepEqual([row?.valid_classes, row?.valid_classes_sha256], [3, sha256]);
  assert.match(evalCkpt(newest, '--data', at('subset'), ...options).stdout, /scored among 3 classes; transform/);
  // Without the list, three folders cannot be the network's ten classes.
  evalFails([newest, '--data', at('subset'), ...options.slice(0, -2)], 6, 'MISMATCH_VALUE', /3 class names.*--classes/);
});

test('a class map numbers the folders, and its labels are never places in --valid-classes', async () => {
  const options = [newest, '--data', at('subset'), ...TRANSFORM, '--size', '20', '--valid-classes', at('valid.txt')];
  writeFileSync(at('map.json'), JSON.stringify({ 'class 1': 1, 'class 5': 5, 'class 9': 9 }));
  writeFileSync(at('wrong.json'), JSON.stringify({ 'class 1': 0, 'class 5': 1, 'class 9': 2 }));
  const [mapped] = evalJson([...options, '--classes', at('map.json')]).models;
  assert.deepEqual(scoresOf(mapped), scoresOf(evalJson(options).models[0]));
  // Three names and three valid classes, but the map says that they are classes 0, 1 and 2.
  evalFails([...options, '--classes', at('wrong.json')], 6, 'MISMATCH_VALUE', /label 0 is none of/);
});

test('--graph-optimization: another level gives the same classes, and is recorded', () => {
  const levels = ['all', 'disabled'].map((level) => evalJson([...ONE, '--graph-optimization', level]).models[0]);
  assert.deepEqual(
    levels.map((row) => [row?.graph_optimization, row?.threads]),
    [
      ['all', 1],
      ['disabled', 1],
    ],
  );
  assert.equal(levels[0]?.top1, levels[1]?.top1);
  assert.ok(Math.abs(Number(levels[0]?.nll) - Number(levels[1]?.nll)) < 1e-5);
  evalFails([...ONE, '--graph-optimization', 'most'], 2, 'USAGE', /graph-optimization/);
});

test('--orientation exif evaluates pictures upright: as their rotated copies, and otherwise than as they are stored', async () => {
  const names = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => `jpeg-exif-${i}`);
  const upright = names.map((name) => sharp(`fixtures/images/${name}.jpg`).autoOrient().png().toBuffer());
  const table = (extension: string): string =>
    `path,label\n${names.map((name, i) => `${name}.${extension},${i}`).join('\n')}\n`;
  writeTree(at('exif'), {
    ...Object.fromEntries((await Promise.all(upright)).map((png, i) => [`${names[i]}.png`, png])),
    ...Object.fromEntries(names.map((name) => [`${name}.jpg`, readFileSync(`fixtures/images/${name}.jpg`)])),
    'stored.csv': table('jpg'),
    'upright.csv': table('png'),
  });
  const measured = (data: string, ...more: string[]): Row | undefined =>
    evalJson([newest, '--data', at(data), ...TRANSFORM, '--size', '20', ...more]).models[0];
  const [stored, exif] = [measured('exif/stored.csv'), measured('exif/stored.csv', '--orientation', 'exif')];
  assert.deepEqual([stored?.orientation, exif?.orientation], ['ignore', 'exif']);
  assert.deepEqual(scoresOf(exif), scoresOf(measured('exif/upright.csv')));
  assert.notEqual(exif?.nll, stored?.nll);
  assert.notEqual(exif?.transform_sha256, stored?.transform_sha256);
  // Each model may see the pictures its own way.
  const both = evalJson(
    [newest, newest, '--data', at('exif/stored.csv'), ...TRANSFORM, '--size', '20'].concat([
      '--orientation',
      'ignore',
      '--orientation',
      'exif',
    ]),
  ).models;
  assert.deepEqual(both.map(scoresOf), [stored, exif].map(scoresOf));
  evalFails([...ONE, '--orientation', 'up'], 2, 'USAGE', /--orientation up: expected ignore, exif/);
});

test('onnx-temper eval-ckpt is eval-ckpt; --help names defaults, an example and exit codes', () => {
  const args = [...ONE, ...ON_CPU, '--json'];
  const [a, b] = [runProgram(EVAL_CKPT, args), runProgram(ONNX_TEMPER, ['eval-ckpt', ...args])].map(
    ({ stdout }) => (JSON.parse(stdout) as { models: Row[] }).models,
  );
  assert.deepEqual(a?.map(withoutTiming), b?.map(withoutTiming));
  for (const help of [runProgram(EVAL_CKPT, ['--help']), runProgram(ONNX_TEMPER, ['eval-ckpt', '--help'])]) {
    assert.deepEqual([help.status, help.stderr], [0, '']);
    for (const text of ['Examples:', '--gate', '[default: "fail"]', 'Exit codes'])
      assert.ok(help.stdout.includes(text));
  }
  assert.ok(!existsSync('--help'));
});

const SHARED = [...DATA, ...TRANSFORM, '--size', '20', '--rows', '0:200'] as const;
const joinedOf = (names: readonly string[]): string[] => ['--from', names.map(at).join()];
const bare = ({ predictions: _names, predictions_sha256: _hash, ...numbers }: Row): Row => numbers;

test('--shard: --from with the files of all workers, in any order, is the one run, bit for bit', () => {
  for (const extension of ['csv', 'parquet']) {
    const part = (i: number): string => `part-${i}.${extension}`;
    // 200 images in batches of 64: the last worker has the short batch alone.
    for (const i of [0, 1, 2, 3]) evalJson([...PAIR, '--shard', `${i}/4`, '--per-image', at(part(i))]);
    const joined = evalJson(joinedOf([2, 0, 3, 1].map(part))).models;
    assert.deepEqual(joined.map(bare), evalJson(['--from', at('a.parquet')]).models.map(bare));
    assert.equal(joined[0]?.predictions, [0, 1, 2, 3].map(part).join(' '));
  }
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => rowsOf(at(`part-${i}.csv`)).length / 2),
    [64, 64, 64, 8],
  );
});

test('--from refuses what is not one whole job: workers missing or named twice, files without a worker', () => {
  const fails = (names: readonly string[], pattern: RegExp): void =>
    evalFails(joinedOf(names), 6, 'MISMATCH_VALUE', pattern);
  fails(['part-0.csv', 'part-2.csv'], /of 4 workers, of which 1\/4, 3\/4 are missing/);
  fails(['part-1.csv'], /of 4 workers, of which 0\/4, 2\/4, 3\/4 are missing/);
  fails(['part-0.csv', 'part-1.csv', 'part-1.csv'], /part-1\.csv: is of worker 1\/4, as .*part-1\.csv is/);
  fails(['a.parquet', 'part-1.csv'], /a\.parquet: is not of a worker/);
  fails(['a.parquet', 'a.parquet'], /a\.parquet: is not of a worker/);
});

test('--from refuses workers of other weights under the same name, other images, another transform, other batches', () => {
  const model = at('m.onnx');
  const run = (name: string, from: string, shard: string, ...more: string[]): void => {
    writeFileSync(model, readFileSync(from));
    evalJson([model, ...SHARED, '--shard', shard, '--per-image', at(name), ...more]);
  };
  run('m-0.csv', newest, '0/2');
  run('m-1.csv', newest, '1/2');
  assert.equal(evalJson(joinedOf(['m-0.csv', 'm-1.csv'])).models[0]?.n_images, 200);
  const other = (name: string): void =>
    evalFails(joinedOf(['m-0.csv', name]), 6, 'MISMATCH_VALUE', /is of another job: other weights, images, transform/);
  run('weights.csv', older, '1/2');
  other('weights.csv');
  run('size.csv', newest, '1/2', '--interpolation', 'nearest', '--resize', '22');
  other('size.csv');
  run('batch.csv', newest, '1/2', '--batch', '100');
  other('batch.csv');
  const [rows, moved] = [at('rows.csv'), ['--rows', '0:190']];
  evalJson([model, ...SHARED.slice(0, -2), ...moved, '--shard', '1/2', '--per-image', rows]);
  other('rows.csv');
});

test('--shard needs a file for every worker, no gate, and a batch for each', () => {
  evalFails([...PAIR, '--shard', '0/3'], 2, 'USAGE', /--per-image FILE on every worker/);
  const files = ['--per-image', at('p.csv')];
  evalFails([...PAIR, '--shard', '0/3', ...files, '--gate', 'top1:0.8'], 2, 'USAGE', /measures a part/);
  evalFails([...PAIR, '--shard', '0/9', ...files], 3, 'INPUT_TOO_FEW', /4 batches of 64, for 9 workers/);
});
