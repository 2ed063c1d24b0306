import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { average } from '../support/average.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { FIX_RES } from '../support/run-cli.ts';
import { ON_CPU } from '../support/run-eval.ts';
import { fixRes, fixResFails, fixResJson, SIZES, TRAIN, VAL } from '../support/run-fix-res.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const uniform = join(root, 'uniform.onnx');
before(() => average(SNAPSHOTS, uniform));

const ARGS = [
  ...[uniform, ...TRAIN, ...VAL, ...SIZES, '--train-limit', '400', '--val-limit', '200', '--batch', '20'],
  ...['--epochs', '120', '--lr', '0.002', '--views', '2', '--mode', 'affine', '--patience', '200', '--allow-worse'],
];

/** Starts a run and kills it once the checkpoint of an epoch is there. */
async function killed(out: string, signal: NodeJS.Signals): Promise<number | null> {
  const child = spawn(process.execPath, [FIX_RES, ...ARGS, '--out', out, ...ON_CPU, '--quiet'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const checkpoint = `${out}.checkpoint.safetensors`;
  while (child.exitCode === null && !existsSync(checkpoint)) await sleep(2);
  child.kill(signal);
  const [code] = (await exited) as [number | null];
  assert.ok(existsSync(checkpoint), 'it ended before it was killed');
  assert.ok(!existsSync(out));
  return code;
}

test('killed between epochs, a run goes on and ends with the bytes of an undisturbed one', async () => {
  const folder = join(root, 'resumed');
  mkdirSync(folder);
  const whole = join(folder, 'whole.onnx');
  const undisturbed = fixResJson([...ARGS, '--out', whole]);
  for (const [signal, code] of [
    ['SIGKILL', null],
    ['SIGTERM', 130],
  ] as const) {
    const broken = join(folder, `${signal}.onnx`);
    assert.equal(await killed(broken, signal), code);
    const { status, stderr, stdout } = fixRes(...ARGS, '--out', broken, '--json');
    assert.equal(status, 0, stderr);
    assert.match(stderr, new RegExp(`going on after epoch \\d+ from .*${signal}\\.onnx\\.checkpoint\\.safetensors`));
    assert.deepEqual((JSON.parse(stdout) as typeof undisturbed).epochs, undisturbed.epochs);
    assert.deepEqual(readFileSync(broken), readFileSync(whole));
  }
  assert.deepEqual(readdirSync(folder).sort(), ['SIGKILL.onnx', 'SIGTERM.onnx', 'whole.onnx']);
});

test('the checkpoint of another run is refused, and replaced with --force', async () => {
  const folder = join(root, 'other');
  mkdirSync(folder);
  const out = join(folder, 'out.onnx');
  await killed(out, 'SIGKILL');
  const other = [...ARGS, '--out', out, '--seed', '1', '--epochs', '1'].filter(
    (_, i, all) => all.indexOf('--epochs') !== i && all.indexOf('--epochs') + 1 !== i,
  );
  fixResFails(other, 6, 'MISMATCH_VALUE', /is the checkpoint of another run.*--force/);
  assert.equal(fixResJson([...other, '--force']).epochs.length, 1);
  assert.deepEqual(readdirSync(folder), ['out.onnx']);
});
