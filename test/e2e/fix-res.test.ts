import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { average } from '../support/average.ts';
import { FASHION, GOLDEN, type GoldenScore, SNAPSHOTS } from '../support/fashion.ts';
import { decodeModel, fixDims } from '../support/model-builder.ts';
import { withExternalData } from '../support/model-variants.ts';
import { ONNX_TEMPER, runProgram } from '../support/run-cli.ts';
import { evalJson, ON_CPU, DATA as TEST_DATA, TRANSFORM } from '../support/run-eval.ts';
import { AS_TORCH, fixRes, fixResJson, SIZES, TRAIN, VAL } from '../support/run-fix-res.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const uniform = join(root, 'uniform.onnx');
before(() => average(SNAPSHOTS, uniform));

let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}
/** 500 of each for what does not depend on how many there are. */
const FEW = ['--train-limit', '500', '--val-limit', '500', '--batch', '100', '--epochs', '2'] as const;
const BASE = [uniform, ...TRAIN, ...VAL, ...SIZES] as const;
const golden = (mode: string) =>
  (GOLDEN as unknown as Record<string, GoldenScore & { losses: readonly number[] }>)[`fixres_${mode}_28`]!;

test("paper: torch's top-1 at 28 px, measured at both sizes in pairs; eval-ckpt finds the same; the file says what it is", () => {
  const folder = fresh();
  const [out, history, report] = ['out.onnx', 'history.csv', 'report.md'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const files = ['--out', out, '--history', history, '--report', report];
  const found = fixResJson([...BASE, ...AS_TORCH, '--mode', 'paper', ...files]);
  assert.deepEqual(
    found.comparisons.map(({ set, test_size, n_images }) => [set, test_size, n_images]),
    [
      ['val', 20, 10_000],
      ['val', 28, 10_000],
    ],
  );
  const [at20, at28] = found.comparisons;
  assert.ok(Math.abs(Number(at20?.top1_before) - GOLDEN.uniform!.top1) < 1.1e-4);
  assert.ok(Math.abs(Number(at28?.top1_before) - GOLDEN.sweep['28']!.uniform.top1) < 1.1e-4);
  assert.ok(Math.abs(Number(at28?.top1_after) - golden('paper').top1) < 1.1e-4);
  assert.ok(Math.abs(Number(at28?.nll_after) / golden('paper').nll - 1) < 1e-5);
  assert.equal(found.guard.better, true);
  assert.equal(found.layer?.name, 'layer3.bn2');
  assert.deepEqual(found.changed, ['fc.weight', 'fc.bias', 'layer3.bn2.running_mean', 'layer3.bn2.running_var']);
  const { models } = evalJson([out, ...TEST_DATA, '--size', '28', ...TRANSFORM]);
  assert.equal(models[0]?.top1, at28?.top1_after);
  const rows = parse(readFileSync(history, 'utf8'), { columns: true }) as Record<string, string>[];
  assert.deepEqual(Object.keys(rows[0]!), ['epoch', 'lr', 'train_loss', 'val_top1', 'val_nll']);
  for (const [i, loss] of golden('paper').losses.entries())
    assert.ok(Math.abs(Number(rows[i]!.train_loss) / loss - 1) < 1e-5);
  const step = decodeModel(out).metadataProps?.find(({ key }) => key === 'onnx_temper.2');
  const record = JSON.parse(step?.value ?? '') as Record<string, unknown>;
  assert.deepEqual(
    [record.command, record.mode, record.train_size, record.test_size, record.epoch, record.n_images],
    ['fix-res', 'paper', '20', '28', 4, 2000],
  );
  assert.deepEqual(record.optimizer, {
    name: 'sgd',
    lr: 0.01,
    momentum: 0.9,
    weight_decay: 1e-4,
    schedule: 'step',
    epochs: 4,
    batch: 100,
    shuffle: false,
    seed: 0,
    label_smoothing: 0,
  });
  assert.match(readFileSync(report, 'utf8'), /FixRes of uniform\.onnx, 20 to 28 px.*86\.28.*88\.02.*Training loss/s);
  assert.deepEqual(readdirSync(folder).sort(), ['history.csv', 'out.onnx', 'report.md']);
});

test('stats needs no labels: statistics at 28 px alone are better there', () => {
  const out = join(fresh(), 'out.onnx');
  const train = TRAIN.slice(0, 2);
  const args = [uniform, ...train, ...VAL, ...SIZES, '--val-limit', '2000', '--transform', 'v1', '--allow-worse'];
  const found = fixResJson([...args, '--mode', 'stats', '--out', out]);
  assert.deepEqual(found.changed, ['layer3.bn2.running_mean', 'layer3.bn2.running_var']);
  assert.deepEqual([found.epochs, found.n_images], [[], 2000]);
  assert.ok(Number(found.comparisons[1]?.top1_after) > Number(found.comparisons[1]?.top1_before));
});

test('no better at test size: exit code 1, the epochs are written, the model is not; --allow-worse writes it', () => {
  const folder = fresh();
  const [out, history] = [join(folder, 'out.onnx'), join(folder, 'history.csv')];
  const args = [...BASE, ...FEW, '--lr', '0', '--mode', 'fc', '--out', out, '--history', history];
  const refused = fixRes(...args);
  assert.equal(refused.status, 1, refused.stderr);
  assert.match(refused.stdout, /at test size: .* no difference beyond noise/);
  assert.match(refused.stdout, /nothing was written: it is no better at test size \(--allow-worse/);
  assert.deepEqual(readdirSync(folder), ['history.csv']);
  const written = fixResJson([...args, '--allow-worse', '--force']);
  assert.equal(written.output?.path, out);
  assert.equal(written.guard.better, false);
});

test('the same run gives the same bytes: again, from features on disk, and as a subcommand; another seed gives others', () => {
  const folder = fresh();
  const run = (name: string, ...more: string[]): string => {
    const args = [...BASE, ...FEW, '--mode', 'affine', '--allow-worse', '--out', join(folder, name), ...more];
    return String(fixResJson(args).output?.sha256);
  };
  const first = run('a.onnx');
  assert.equal(run('b.onnx', '--cache-memory', '0'), first);
  const third = join(folder, 'c.onnx');
  const args = ['fix-res', ...BASE, ...FEW, '--mode', 'affine', '--allow-worse', '--out', third, ...ON_CPU, '--json'];
  const { stdout } = runProgram(ONNX_TEMPER, args);
  assert.equal((JSON.parse(stdout) as { output: { sha256: string } }).output.sha256, first);
  assert.notEqual(run('d.onnx', '--seed', '1'), first);
  assert.deepEqual(readdirSync(folder).sort(), ['a.onnx', 'b.onnx', 'c.onnx', 'd.onnx']);
});

test('a shifted set is measured before and after too', () => {
  const shifted = ['--shifted', join(FASHION, 'test-20px-images-idx3-ubyte.gz'), '--shifted-limit', '300'];
  const labels = ['--shifted-labels', join(FASHION, 'test-labels-idx1-ubyte.gz')];
  const out = join(fresh(), 'out.onnx');
  const { comparisons } = fixResJson([
    ...BASE,
    ...FEW,
    '--allow-worse',
    '--mode',
    'fc',
    ...shifted,
    ...labels,
    '--out',
    out,
  ]);
  assert.deepEqual(
    comparisons.map(({ set, test_size, n_images }) => `${set} ${test_size} ${n_images}`),
    ['val 20 500', 'val 28 500', 'shifted 20 300', 'shifted 28 300'],
  );
});

test('--patience: one half of --val chooses the epoch, the other half decides', () => {
  const out = join(fresh(), 'out.onnx');
  const found = fixResJson([
    ...[...BASE, '--train-limit', '200', '--val-limit', '500', '--batch', '50', '--epochs', '60', '--transform', 'v1'],
    ...['--lr', '0.2', '--mode', 'fc', '--patience', '3', '--allow-worse', '--out', out],
  ]);
  const nll = found.epochs.map(({ val_nll }) => Number(val_nll));
  assert.ok(found.epochs.length < 60, `${found.epochs.length} epochs`);
  assert.equal(found.epochs.length, found.epoch + 3);
  if (found.epoch > 0) assert.equal(nll[found.epoch - 1], Math.min(...nll));
  assert.equal(found.guard.n_images, 250);
});

test('v2 draws views: several of an image, other losses than v1', () => {
  const folder = fresh();
  const run = (name: string, ...more: string[]) =>
    fixResJson([
      ...BASE,
      ...FEW,
      '--no-shuffle',
      '--mode',
      'fc',
      '--allow-worse',
      '--out',
      join(folder, name),
      ...more,
    ]);
  const [v1, v2] = [run('v1.onnx', '--transform', 'v1'), run('v2.onnx', '--transform', 'v2', '--views', '2')];
  assert.deepEqual([v1.n_images, v2.n_images], [500, 1000]);
  assert.notEqual(v1.epochs[0]?.train_loss, v2.epochs[0]?.train_loss);
});

test('a file that is fixed to 20 px is tuned at 28 px as a copy with free dims: the weights of the dynamic file, and it runs at any size', () => {
  const folder = fresh();
  const fixed = fixDims(uniform, join(folder, 'fixed.onnx'), { 4: [1, 1, 20, 20], 2: [1, 10] });
  const [out, like] = [join(folder, 'out.onnx'), join(folder, 'like.onnx')];
  const options = [...TRAIN, ...VAL, '--size', '28', ...TRANSFORM, ...FEW, '--mode', 'paper', '--allow-worse'] as const;
  const run = fixRes(fixed, ...options, '--out', out, '--json');
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stderr, /fixed\.onnx: is fixed to 20x20; a copy that takes any size is tuned and written/);
  const found = JSON.parse(run.stdout) as { comparisons: Record<string, number>[] };
  const dynamic = fixResJson([uniform, ...options, '--train-size', '20', '--out', like]);
  assert.deepEqual(found.comparisons, dynamic.comparisons);
  const record = decodeModel(out).metadataProps?.find(({ key }) => key === 'onnx_temper.2');
  assert.equal((JSON.parse(record?.value ?? '') as Record<string, unknown>).freed_size, '20x20');
  const { models } = evalJson([out, ...TEST_DATA, '--rows', '0:500', '--size', '24', ...TRANSFORM]);
  assert.equal(models[0]?.n_images, 500);
});

test('a model with external data is tuned as its inline twin, and what is written scores what was measured', () => {
  const folder = fresh();
  const external = withExternalData(folder);
  const [out, like] = [join(folder, 'out.onnx'), join(folder, 'like.onnx')];
  const options = [...TRAIN, ...VAL, ...SIZES, ...FEW, '--mode', 'paper', '--allow-worse'] as const;
  const found = fixResJson([external, ...options, '--out', out]);
  const inline = fixResJson([SNAPSHOTS.at(-1) as string, ...options, '--out', like]);
  assert.deepEqual(found.comparisons, inline.comparisons);
  const [a, b] = [out, like].map(
    (model) => evalJson([model, ...TEST_DATA, '--rows', '0:500', '--size', '28', ...TRANSFORM]).models[0],
  );
  assert.deepEqual([a?.top1, a?.nll], [b?.top1, b?.nll]);
  const [data, ...more] = readdirSync(folder).filter((name) => name.endsWith('.data') && name !== 'm.data');
  assert.match(data ?? '', /^out\.onnx\.[0-9a-f]{16}\.data$|^out\.[0-9a-f]{16}\.data$/);
  assert.deepEqual(more, []);
});
