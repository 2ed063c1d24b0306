import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { average } from '../support/average.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { decodeModel } from '../support/model-builder.ts';
import { runProgram, TEACHER_LOGITS } from '../support/run-cli.ts';
import { ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { fixResFails, fixResJson, SIZES, TRAIN, VAL } from '../support/run-fix-res.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const uniform = join(root, 'uniform.onnx');
const [dense, top] = [join(root, 'dense'), join(root, 'top')];

function store(folder: string, teachers: readonly string[], ...more: readonly string[]): void {
  const data = ['--data', TRAIN[1], '--labels', TRAIN[3], '--rows', '0:400', '--size', '20', ...TRANSFORM];
  const run = runProgram(TEACHER_LOGITS, [...teachers, ...data, '--out', folder, ...more, ...ON_CPU, '--quiet']);
  assert.equal(run.status, 0, run.stderr);
}

before(async () => {
  await average(SNAPSHOTS, uniform);
  store(dense, [uniform], '--store-dtype', 'float32');
  store(top, SNAPSHOTS.slice(-2), '--top-k', '3', '--views', '2', '--augment', 'rrc,flip', '--temperatures', '1,2');
});

const ARGS = [
  ...[uniform, ...TRAIN, ...VAL, ...SIZES, '--val-limit', '200', '--batch', '50', '--epochs', '3', '--allow-worse'],
];
let files = 0;
const out = (): readonly string[] => ['--out', join(root, `${files++}.onnx`)];

test('the head is trained on what teachers said of the views of their store', () => {
  const found = fixResJson([
    ...ARGS,
    '--mode',
    'affine',
    '--targets',
    top,
    '--temperature',
    '2',
    '--lr',
    '0.01',
    ...out(),
  ]);
  assert.equal(found.n_images, 800);
  const losses = found.epochs.map(({ train_loss }) => Number(train_loss));
  // Epochs see the two views in turn: the third sees the first one again.
  assert.ok(losses[2]! < losses[0]!, losses.join());
  const step = decodeModel(String(found.output?.path)).metadataProps?.find(({ key }) => key === 'onnx_temper.2');
  const { targets } = JSON.parse(step?.value ?? '') as { targets: Record<string, unknown> };
  assert.deepEqual([targets.views, targets.temperature, (targets.teachers as unknown[]).length], [2, 2, 2]);
});

test('a model that is its own teacher at the same size has nothing to learn: the gradients are roundings', () => {
  const same = ['--size', '20', '--train-size', '20', '--targets', dense, '--mode', 'fc', '--weight-decay', '0'];
  const args = ARGS.filter(
    (_, i, all) => !['--size', '--train-size'].includes(all[i]!) && !['--size', '--train-size'].includes(all[i - 1]!),
  );
  const { epochs, comparisons } = fixResJson([...args, ...same, ...out()]);
  const [first, , last] = epochs.map(({ train_loss }) => Number(train_loss));
  assert.ok(Math.abs(last! / first! - 1) < 1e-6, `${first} to ${last}`);
  assert.equal(comparisons.length, 1);
  assert.ok(Math.abs(Number(comparisons[0]!.nll_difference)) < 1e-5);
});

test('stores that do not fit are refused', () => {
  const args = [...ARGS, '--mode', 'fc'];
  fixResFails([...args, '--targets', top, '--temperature', '4', ...out()], 2, 'USAGE', /exact at 1, 2/);
  fixResFails(
    [...args, '--targets', dense, '--transform', 'v2', ...out()],
    2,
    'USAGE',
    /--train-transform has no use with --targets/,
  );
  fixResFails([...args, '--temperature', '4', ...out()], 2, 'USAGE', /--temperature has no use without --targets/);
  fixResFails([...args, '--targets', root, ...out()], 3, 'INPUT_NOT_FOUND', /manifest\.json/);
  const other = args.map((arg) => (arg === TRAIN[1] ? VAL[1] : arg === TRAIN[3] ? VAL[3] : arg));
  fixResFails([...other, '--targets', dense, ...out()], 6, 'MISMATCH_VALUE', /not the table of samples/);
  fixResFails(
    [...args, '--targets', dense, '--train-rows', '300:500', ...out()],
    6,
    'MISMATCH_VALUE',
    /has no targets of/,
  );
});
