/** calibrate as a user runs it: what it writes and prints, and its exit codes. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { writeHead } from '../support/heads.ts';
import { ONNX_TEMPER, runProgram } from '../support/run-cli.ts';
import { DATA, evalCkpt, evalJson, IMAGES, ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
const VAL = ['--val', IMAGES, '--val-labels', join(FASHION, 'test-labels-idx1-ubyte.gz'), '--val-rows', '0:600'];
const model = writeHead(folder, 'softmax');
const run = (...args: readonly string[]) =>
  runProgram(ONNX_TEMPER, ['calibrate', model, ...VAL, ...TRANSFORM, '--size', '20', ...ON_CPU, ...args]);

test('an overconfident model is calibrated, and its file evaluates better', () => {
  const { status, stdout, stderr } = run('--out', at('t.onnx'), '--report', at('t.html'), '--csv', at('t.csv'));
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^before .*\nafter /m);
  assert.match(stdout, /temperature 2\.37\d+, fitted on 300 images, judged on 300 others; 0 answers changed/);
  assert.match(readFileSync(at('t.html'), 'utf8'), /Reliability of after/);
  assert.equal(readFileSync(at('t.csv'), 'utf8').trim().split('\n').length, 3);
  const labels = ['--labels', join(FASHION, 'test-labels-idx1-ubyte.gz'), '--rows', '0:600'];
  const { models } = evalJson([model, at('t.onnx'), '--data', IMAGES, ...labels, ...TRANSFORM, '--size', '20']);
  assert.ok(Number(models[1]?.nll) < Number(models[0]?.nll));
  assert.equal(models[1]?.top1, models[0]?.top1);
});

test('--json is one document; the calibrated file is not written over, and not made again: exit codes 3 and 1', () => {
  assert.equal(run('--out', at('t.onnx')).status, 3);
  const again = runProgram(ONNX_TEMPER, [
    ...['calibrate', at('t.onnx'), ...VAL, ...TRANSFORM, '--size', '20', ...ON_CPU],
    ...['--out', at('again.onnx'), '--json', '--quiet'],
  ]);
  assert.equal(again.status, 1, again.stderr);
  const document = JSON.parse(again.stdout) as Record<string, unknown>;
  assert.deepEqual([document.output, document.better, document.n_judged], [null, false, 300]);
  assert.ok(!existsSync(at('again.onnx')));
});

test('what is missing or cannot be calibrated is said: exit codes 2 and 5', () => {
  assert.equal(run().status, 2);
  const options = [...VAL, ...TRANSFORM, '--size', '20', ...ON_CPU, '--out', at('x.onnx')];
  const refused = runProgram(ONNX_TEMPER, ['calibrate', writeHead(folder, 'written-out'), ...options]);
  assert.equal(refused.status, 5, refused.stderr);
});

interface Printed {
  readonly temperature: number | null;
  readonly better: boolean;
  readonly stages: readonly { readonly nll: number }[];
  readonly n_fitted: number;
  readonly n_judged: number;
  readonly output: unknown;
}

test('--from: the fit of the run that measured, without inference; several models, or no scores, are refused', () => {
  const [newest, other] = [SNAPSHOTS.at(-1) as string, SNAPSHOTS[0] as string];
  const kept = (name: string, ...more: string[]): string => {
    const run = evalCkpt(
      ...more,
      ...DATA,
      ...TRANSFORM,
      '--size',
      '20',
      '--rows',
      '0:300',
      '--per-image',
      join(folder, name),
    );
    assert.equal(run.status, 0, run.stderr);
    return join(folder, name);
  };
  const file = kept('kept.parquet', newest, '--logits');
  const val = [
    '--val',
    DATA[1],
    '--val-labels',
    DATA[3],
    '--val-rows',
    '0:300',
    ...TRANSFORM,
    '--size',
    '20',
    ...ON_CPU,
  ];
  for (const method of ['temperature', 'vector']) {
    const out = join(folder, `${method}.onnx`);
    const json = ['--method', method, '--json', '--quiet'];
    const live = JSON.parse(
      runProgram(ONNX_TEMPER, ['calibrate', newest, ...val, '--out', out, '--allow-worse', ...json]).stdout,
    ) as Printed;
    const run = runProgram(ONNX_TEMPER, ['calibrate', '--from', file, ...json]);
    const before = JSON.parse(run.stdout) as Printed;
    assert.equal(run.status, before.better ? 0 : 1);
    // A temperature in a file is one of float32.
    assert.ok(Math.abs((before.temperature ?? 1) - (live.temperature ?? 1)) < 1e-6);
    assert.ok(Math.abs(Number(before.stages[1]?.nll) - Number(live.stages[1]?.nll)) < 1e-6);
    assert.equal(before.stages[0]?.nll, live.stages[0]?.nll);
    assert.deepEqual([before.n_fitted, before.n_judged, before.output], [live.n_fitted, live.n_judged, null]);
  }
  const refused = (args: string[], pattern: RegExp): void => {
    const run = runProgram(ONNX_TEMPER, ['calibrate', ...args]);
    assert.equal(run.status, 2, run.stderr);
    assert.match(run.stderr, pattern);
  };
  refused(['--from', kept('plain.csv', newest)], /no scores of all classes/);
  refused(['--from', kept('two.parquet', newest, other, '--logits')], /has 2 models, expected one/);
  refused(['--from', file, '--out', join(folder, 'x.onnx')], /--out has no use with --from/);
  refused([newest, '--from', file], /a model has no use with --from/);
  refused(['--val', 'x', '--out', 'y.onnx'], /no model is named/);
});
