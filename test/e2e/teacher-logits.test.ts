/** teacher-logits from outside: what is stored, of which teacher, of which view. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore, type TargetRows } from '../../src/distill/index.ts';
import { fashionLabels, fashionPixels, npyBytes, pngs, writeTree } from '../support/dataset-files.ts';
import { GOLDEN, SNAPSHOTS } from '../support/fashion.ts';
import { variant } from '../support/model-variants.ts';
import { ONNX_TEMPER, runProgram } from '../support/run-cli.ts';
import { IMAGES, TRANSFORM } from '../support/run-eval.ts';
import { fileHashes, IMAGES_20, teacherFails, teacherJson, teacherLogits } from '../support/run-teacher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const newest = SNAPSHOTS.at(-1) as string;
const older = SNAPSHOTS[0] as string;
const AUGMENT = ['--augment', 'rrc,flip,jitter', '--scale', '0.3,1', '--views', '3'];
const SOME = [...IMAGES_20, '--rows', '0:200'];

/** All rows of a teacher. */
function targetsOf(name: string, teacher = 0): TargetRows {
  const store = openStore(at(name));
  assert.equal(store.manifest.n_parts, 1);
  const part = store.part(0);
  const rows = part.targets(teacher);
  part.close();
  return rows;
}

test('on the 10,000 test images the teacher scores what torch measured', () => {
  const small = ['--data', IMAGES.replace('test-', 'test-20px-'), ...IMAGES_20.slice(2), '--batch', '500'];
  const { teachers, ...store } = teacherJson([
    newest,
    ...small,
    '--out',
    at('whole'),
    '--gate',
    'top1>=0.87,nll<=0.34',
  ]);
  const golden = GOLDEN.single.epoch_25;
  assert.equal(teachers[0]?.n_scored, 10_000);
  assert.deepEqual([teachers[0]?.top1, teachers[0]?.top5], [golden?.top1, golden?.top5]);
  assert.ok(Math.abs((teachers[0]?.nll as number) - (golden?.nll ?? 0)) < 1e-6);
  assert.deepEqual([store.complete, store.n_rows, store.gates.passed], [true, 10_000, true]);
});

test('several teachers in one pass store the bytes of each alone, whatever sizes and normalisations they have', () => {
  const base = [...SOME.filter((word) => word !== '20' && word !== '--size')];
  const joint = ['--size', '20', '--size', '28', '--mean', '0.286', '--mean', '0.3'];
  const args = base.filter((word, i) => word !== '--mean' && base[i - 1] !== '--mean');
  teacherJson([newest, older, ...args, ...joint, ...AUGMENT, '--out', at('joint')]);
  teacherJson([newest, ...args, '--size', '20', '--mean', '0.286', ...AUGMENT, '--out', at('first')]);
  teacherJson([older, ...args, '--size', '28', '--mean', '0.3', ...AUGMENT, '--out', at('second')]);
  const part = 'part-00000-of-00001.safetensors';
  const [both, first, second] = ['joint', 'first', 'second'].map((name) => fileHashes(at(name)));
  assert.equal(both?.[`teachers/0/${part}`], first?.[`teachers/0/${part}`]);
  assert.equal(both?.[`teachers/1/${part}`], second?.[`teachers/0/${part}`]);
  assert.equal(both?.[`views/${part}`], first?.[`views/${part}`]);
  assert.equal(both?.[`views/${part}`], second?.[`views/${part}`], 'views do not depend on the teacher');
  assert.notEqual(both?.[`teachers/0/${part}`], both?.[`teachers/1/${part}`]);
});

test('--views-from makes the views of a store again for another teacher, from their records', () => {
  teacherJson([older, ...SOME, '--views-from', at('joint'), '--out', at('later')]);
  const part = 'part-00000-of-00001.safetensors';
  assert.equal(fileHashes(at('later'))[`views/${part}`], fileHashes(at('joint'))[`views/${part}`]);
  const fresh = ['--out', at('fresh'), ...AUGMENT];
  teacherJson([older, ...SOME, ...fresh]);
  assert.deepEqual(targetsOf('later').values, targetsOf('fresh').values);
  const { manifest } = openStore(at('later'));
  assert.equal(manifest.views_from, fileHashes(at('joint'))['run.json']);

  const from = ['--views-from', at('joint'), '--out', at('not')];
  teacherFails([older, ...IMAGES_20, '--rows', '0:199', ...from], 6, 'MISMATCH_VALUE', /other samples/);
  teacherFails([older, ...SOME, ...AUGMENT, ...from], 2, 'USAGE', /--views-from says what the views are/);
  teacherFails([older, ...SOME, '--views-from', at('whole'), '--out', at('not')], 2, 'USAGE', /no views to replay/);
  assert.ok(!existsSync(at('not')));
});

test('--top-k keeps the best of the dense logits, and the same log-sum-exp', () => {
  teacherJson([newest, ...SOME, '--out', at('dense')]);
  teacherJson([newest, ...SOME, '--top-k', '3', '--out', at('top')]);
  const [dense, top] = [targetsOf('dense'), targetsOf('top')];
  assert.deepEqual([top.width, dense.width], [3, 10]);
  assert.deepEqual([top.lse, top.max], [dense.lse, dense.max]);
  for (let row = 0; row < top.rows; row++) {
    const logits = [...dense.values.subarray(10 * row, 10 * row + 10)];
    for (let k = 0; k < 3; k++) assert.equal(top.values[3 * row + k], logits[top.indices?.[3 * row + k] ?? -1]);
    const kept = top.indices?.subarray(3 * row, 3 * row + 3);
    assert.ok(logits.every((z, i) => kept?.includes(i) || z <= (top.values[3 * row + 2] as number)));
  }
});

test('a class map stores the outputs in the order of the data, and drops those that it lacks', () => {
  // Class k of the data is output 9 - k; the last is none of the data's.
  writeFileSync(at('map.txt'), Array.from({ length: 10 }, (_, k) => `${k}\t${9 - k}\n`).join(''));
  writeFileSync(at('fewer.txt'), Array.from({ length: 9 }, (_, k) => `${k}\t${k + 1}\n`).join(''));
  const unlabelled = SOME.filter((word, i) => word !== '--labels' && SOME[i - 1] !== '--labels');
  const maps = ['--class-map', at('map.txt'), '--class-map', 'none', '--class-map', at('fewer.txt')];
  teacherJson([newest, newest, newest, ...unlabelled, ...maps, '--out', at('mapped')]);
  const [mapped, plain, fewer] = [0, 1, 2].map((teacher) => targetsOf('mapped', teacher)) as [
    TargetRows,
    TargetRows,
    TargetRows,
  ];
  for (let row = 0; row < 200; row++) {
    const logits = [...plain.values.subarray(10 * row, 10 * row + 10)];
    assert.deepEqual([...mapped.values.subarray(10 * row, 10 * row + 10)], logits.toReversed());
    const rest = [...fewer.values.subarray(9 * row, 9 * row + 9)];
    assert.equal(Math.max(...rest), 0, 'the highest of those that are stored');
  }
  assert.deepEqual(openStore(at('mapped')).manifest.teachers[2]?.class_map, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  writeFileSync(at('beyond.txt'), '0\t0\n1\t10\n');
  const beyond = ['--class-map', at('beyond.txt'), '--out', at('not')];
  teacherFails([newest, ...unlabelled, ...beyond], 6, 'MISMATCH_VALUE', /names output 10, but logits has 10/);
});

test('a class map by names: class folders have the outputs of their names, whatever order the network has them in', async () => {
  const [boot, shirt] = (await pngs(fashionPixels(2))) as [Uint8Array, Uint8Array];
  writeTree(folder, {
    'named/boot/0.png': boot,
    'named/shirt/1.png': shirt,
    'names.txt': 'shirt\t6\nbag\t8\nboot\t9\n',
  });
  const args = [newest, ...TRANSFORM, '--size', '20', '--data', at('named')];
  teacherFails([...args, '--out', at('not')], 6, 'MISMATCH_VALUE', /2 class names \(boot, shirt.*10 classes/);
  teacherJson([...args, '--class-map', at('names.txt'), '--out', at('by name')]);
  const { manifest } = openStore(at('by name'));
  assert.deepEqual(
    [manifest.classes, manifest.teachers[0]?.class_map],
    [
      ['boot', 'shirt'],
      [9, 6],
    ],
  );
  assert.equal(manifest.scores?.[0]?.n, 2);
});

test('probabilities are stored as their logarithm: log-softmax of the logits at every temperature', () => {
  const softmax = variant(folder, 'softmax');
  const form = ['--store-dtype', 'float32'];
  teacherJson([softmax, ...SOME, ...form, '--out', at('probabilities')]);
  teacherJson([newest, ...SOME, ...form, '--out', at('logits')]);
  const [p, z] = [targetsOf('probabilities'), targetsOf('logits')];
  assert.equal(openStore(at('probabilities')).manifest.teachers[0]?.outputs, 'probabilities');
  // float32 softmax rounds each p to 6e-8 of itself; max is ln p of the best class.
  z.values.forEach((value, i) => {
    assert.ok(Math.abs(value - (p.values[i] as number)) < 1e-5 * Math.max(1, Math.abs(value)));
  });
  z.lse.forEach((value, i) => {
    assert.ok(Math.abs(value - (p.lse[i] as number)) < 1e-5);
  });
});

test('sigmoid scores are recognised, and stored as the logits before the Sigmoid', () => {
  const form = ['--store-dtype', 'float32'];
  const { teachers } = teacherJson([variant(folder, 'sigmoid'), ...SOME, ...form, '--out', at('sigmoid')]);
  assert.equal(teachers[0]?.outputs, 'sigmoid');
  assert.equal(openStore(at('sigmoid')).manifest.teachers[0]?.outputs, 'sigmoid');
  const [p, z] = [targetsOf('sigmoid'), targetsOf('logits')];
  // A float32 score near 1 holds its logit within 6e-8 / (1 - p).
  z.values.forEach((value, i) => {
    const highest = z.max[Math.floor(i / 10)] as number;
    if (highest < 8) assert.ok(Math.abs(value - (p.values[i] as number)) < 1e-3, `${value} ${p.values[i]}`);
  });
});

test('numbers ready for the network have targets without a transform; statistics are those of the numbers', () => {
  const values = Float32Array.from({ length: 6 * 400 }, (_, i) => Math.fround(Math.sin(i)));
  writeFileSync(at('ready.npy'), npyBytes('<f4', '(6, 1, 20, 20)', new Uint8Array(values.buffer)));
  const { teachers } = teacherJson([newest, '--data', at('ready.npy'), '--out', at('ready')]);
  assert.deepEqual([teachers[0]?.transform_sha256, teachers[0]?.top1], [null, null]);
  const { inputMean, inputStd } = targetsOf('ready');
  const first = values.subarray(0, 400);
  const mean = first.reduce((a, b) => a + b, 0) / 400;
  assert.ok(Math.abs((inputMean[0] as number) - mean) < 1e-7);
  const variance = first.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 400;
  assert.ok(Math.abs((inputStd[0] as number) - Math.sqrt(variance)) < 1e-7);
});

test('a bad image stops the run, or with skip is a row without targets and is listed; the rest is as without it', async () => {
  const images = await pngs(fashionPixels(30));
  const labels = fashionLabels(30);
  const table = (rows: readonly number[]) => `path,label\n${rows.map((i) => `${i}.png,${labels[i]}`).join('\n')}\n`;
  const all = [...images.keys()];
  writeTree(folder, {
    ...Object.fromEntries(images.map((png, i) => [`set/${i}.png`, i === 13 ? png.slice(0, 60) : png])),
    'set/all.csv': table(all),
  });
  const args = [
    newest,
    '--data',
    at('set/all.csv'),
    ...TRANSFORM,
    '--size',
    '20',
    '--batch',
    '8',
    '--rows-per-shard',
    '10',
  ];
  teacherFails([...args, '--out', at('bad')], 4, 'FORMAT_IMAGE', /13\.png.*--on-bad-image skip/);
  // The same folder goes on: what a part holds does not depend on the policy.
  const done = teacherJson([...args, '--out', at('bad'), '--on-bad-image', 'skip']);
  assert.equal(done.parts_kept + done.parts_made, 3);
  assert.deepEqual(done.bad_images, [{ key: '13.png', code: 'FORMAT_IMAGE' }]);
  assert.equal(done.teachers[0]?.n_scored, 29);
  const part = openStore(at('bad')).part(1);
  assert.deepEqual([...part.views().status], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  assert.ok(part.targets(0, 3, 4).values.every((value) => value === 0));
  part.close();
  assert.equal(teacherLogits('verify', at('bad'), '--quiet').status, 0);
});

test('a gate that is missed leaves the parts and no manifest; merge without it completes the store', () => {
  const args = [newest, ...SOME, '--out', at('gated')];
  const missed = teacherJson([...args, '--gate', 'top1>=0.99'], 1);
  assert.match(missed.gates.missed.join(), /top1 is 0\.8/);
  assert.deepEqual(
    [missed.complete, missed.manifest_sha256, existsSync(at('gated/manifest.json'))],
    [false, null, false],
  );
  assert.equal(teacherJson(['merge', at('gated'), '--gate', 'nll<=0.01'], 1).complete, false);
  const merged = teacherJson(['merge', at('gated'), '--gate', 'top1:0.8']);
  assert.deepEqual([merged.complete, merged.teachers[0]?.n_scored], [true, 200]);
});

test('--dry-run says how large, writes nothing, and is right within a tenth', () => {
  const args = [newest, ...IMAGES_20, ...AUGMENT, '--rows', '0:2000', '--out', at('dry')];
  const dry = teacherJson([...args, '--dry-run']);
  assert.ok(!existsSync(at('dry')));
  const made = teacherJson(args);
  assert.ok(Math.abs(dry.estimated_bytes / made.bytes - 1) < 0.1, `${dry.estimated_bytes} of ${made.bytes}`);
});

test('a whole store is refused unless --force; another run in its folder by the fields that differ', () => {
  const args = [newest, ...IMAGES_20, '--rows', '0:50', '--out', at('again')];
  teacherJson(args);
  const before = fileHashes(at('again'));
  teacherFails(args, 3, 'OUTPUT_EXISTS', /complete.*--force/);
  teacherJson([...args, '--force']);
  assert.deepEqual(fileHashes(at('again')), before);

  teacherJson([...args.with(-1, at('part')), '--rows-per-shard', '20', '--shard', '0/2']);
  const other = [...args.with(-1, at('part')), '--rows-per-shard', '20', '--batch', '7'];
  teacherFails(other, 6, 'MISMATCH_VALUE', /batch is 64 in the store, 7 now/);
  teacherJson([...other, '--force']);
  assert.equal(openStore(at('part')).manifest.batch, 7);
});

test('the command is a subcommand of onnx-temper, and says what it does', () => {
  const { status, stdout } = runProgram(ONNX_TEMPER, ['teacher-logits', '--help']);
  assert.equal(status, 0);
  for (const text of ['--top-k', '--views-from', 'merge <store>', 'teacher-logits verify', 'default: "1,2,4,5"'])
    assert.ok(stdout.includes(text), text);
  const text = teacherLogits(newest, ...SOME, '--out', at('text'), '--device', 'cpu');
  assert.match(text.stdout, /epoch_25\.onnx +10 +logits +cpu +0\.8\d+/);
  assert.match(text.stderr, /200 rows of \d+ bytes, dense float16, in 1 parts/);
  assert.equal(readFileSync(at('text/samples.csv'), 'utf8').split('\n').length, 202);
});

const REFUSALS: Readonly<Record<string, [readonly string[], number, string, RegExp]>> = {
  'a worker that asks for --force': [['--shard', '0/2', '--force'], 2, 'USAGE', /parts of other workers/],
  'a worker that asks for a gate': [['--shard', '0/2', '--gate', 'top1:0.8'], 2, 'USAGE', /merge/],
  'parts that split views': [[...AUGMENT, '--rows-per-shard', '100'], 2, 'USAGE', /splits the 3 views.*Use 99/],
  'views without augmentation': [['--views', '2'], 2, 'USAGE', /no use without --augment/],
  'more than there are classes': [['--top-k', '11'], 2, 'USAGE', /has 10 classes/],
  'a temperature of zero': [['--temperatures', '1,0'], 2, 'USAGE', /found 0/],
  'a temperature twice': [['--temperatures', '2,2'], 2, 'USAGE', /each once/],
  'a gate on what is not measured': [['--gate', 'ece15:0.1'], 2, 'USAGE', /top1, top5, nll/],
  'a class map that is not there': [['--class-map', 'nowhere.txt'], 3, 'INPUT_NOT_FOUND', /nowhere/],
  'two class maps of one teacher': [
    ['--class-map', 'a', '--class-map', 'b'],
    2,
    'USAGE',
    /one value, or one for each of 1/,
  ],
};

for (const [name, [args, status, code, pattern]] of Object.entries(REFUSALS)) {
  test(`refused before any work: ${name}`, () => {
    teacherFails([newest, ...IMAGES_20, '--rows', '0:30', ...args, '--out', at('refused')], status, code, pattern);
    assert.ok(!existsSync(at('refused')));
  });
}

test('a folder of something else is refused', () => {
  teacherFails([newest, ...SOME, '--out', at('set')], 3, 'OUTPUT_EXISTS', /is no target store, and not empty/);
  teacherFails(['merge', at('set')], 3, 'INPUT_NOT_FOUND', /no target store/);
});

test('a teacher that gives NaN fails before anything is written', () => {
  const nan = variant(folder, 'nan');
  teacherFails([nan, ...SOME, '--out', at('refused')], 8, 'NUMERIC_NONFINITE', /NaN in \d+/);
  assert.ok(!existsSync(at('refused')));
});
