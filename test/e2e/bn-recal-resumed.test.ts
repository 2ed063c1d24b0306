import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { BN_RECAL, runProgram } from '../support/run-cli.ts';
import { ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const MODEL = SNAPSHOTS[0] as string;
const TRAIN = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
const TEST = ['--guard-data', join(FASHION, 'test-images-idx3-ubyte.gz')] as const;
const GUARD = [...TEST, '--guard-labels', join(FASHION, 'test-labels-idx1-ubyte.gz'), '--guard-limit', '200'] as const;
/** Seven levels; a level takes a third of a second. */
const DATA = ['--data', TRAIN, '--size', '20', ...TRANSFORM, '--batch', '50', ...ON_CPU] as const;
const SEQUENTIAL = [...DATA, '--method', 'sequential'] as const;
const LEVELS = 7;

let folders = 0;
/** A folder, and the paths of an output and of the levels that are kept beside it. */
function fresh() {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  const out = join(folder, 'out.onnx');
  return { folder, out, levels: `${out}.levels` };
}
const sequential = (out: string, ...more: readonly string[]) =>
  runProgram(BN_RECAL, [MODEL, ...SEQUENTIAL, '--out', out, ...more]);

/** Starts a run and ends it as soon as a level is done. */
async function stopped(signal: NodeJS.Signals, out: string): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [BN_RECAL, MODEL, ...SEQUENTIAL, '--out', out], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  while (child.exitCode === null && !existsSync(`${out}.levels`)) await sleep(5);
  assert.equal(child.exitCode, null, `it has ended before the signal: ${stderr}`);
  child.kill(signal);
  const [code] = await exited;
  return { code, stderr };
}

/** Of a run that nothing disturbed. */
let whole: Buffer;
const unfinished = join(root, 'unfinished.levels');
before(async () => {
  const { out } = fresh();
  assert.equal(sequential(out).status, 0);
  whole = readFileSync(out);
  const { out: killed, levels } = fresh();
  await stopped('SIGKILL', killed);
  copyFileSync(levels, unfinished);
});

test('a run that is killed goes on after the last level that was done, and ends with the bytes of one that was not', async () => {
  const { folder, out, levels } = fresh();
  await stopped('SIGKILL', out);
  assert.ok(!existsSync(out));
  const again = sequential(out);
  assert.equal(again.status, 0, again.stderr);
  const [, done] = /note: (\d) of 7 levels are in .*out\.onnx\.levels: going on from there/.exec(again.stderr) ?? [];
  assert.ok(Number(done) >= 1 && Number(done) < LEVELS, again.stderr);
  assert.deepEqual(readFileSync(out), whole);
  assert.ok(!existsSync(levels), readdirSync(folder).join());
});

test('Ctrl-C keeps the levels too, and says where', async () => {
  const { folder, out } = fresh();
  const { code, stderr } = await stopped('SIGINT', out);
  assert.equal(code, 130);
  assert.match(stderr, /note: \d of 7 levels are kept in .*out\.onnx\.levels: the same command goes on from there/);
  assert.deepEqual(readdirSync(folder), ['out.onnx.levels']);
  assert.equal(sequential(out).status, 0);
  assert.deepEqual(readFileSync(out), whole);
});

test('levels of another model, other images or views are refused, by field; deleting the file begins anew', () => {
  const { out, levels } = fresh();
  copyFileSync(unfinished, levels);
  const refused = (field: string, model: string, ...more: readonly string[]) => {
    const { status, stderr } = runProgram(BN_RECAL, [model, ...SEQUENTIAL, '--out', out, ...more]);
    assert.equal(status, 6, stderr);
    assert.match(stderr, new RegExp(`out\\.onnx\\.levels: ${field} is .*but this command has .*delete the file`, 's'));
  };
  refused('model_sha256', SNAPSHOTS[1] as string);
  refused('rows_sha256', MODEL, '--samples', '500');
  refused('transform', MODEL, '--interpolation', 'nearest');
  refused('views', MODEL, '--augment', 'flip');
  refused('layers', MODEL, '--layers', 'layer1.*');
  assert.deepEqual(readFileSync(levels), readFileSync(unfinished));
});

test('what is no file of levels is refused and left alone', () => {
  const { out, levels } = fresh();
  writeFileSync(levels, 'mine');
  const { status, stderr } = sequential(out, '--force');
  assert.equal(status, 4, stderr);
  assert.match(stderr, /out\.onnx\.levels/);
  assert.equal(readFileSync(levels, 'utf8'), 'mine');
});

test('a guard that refuses keeps the levels: --allow-worse then writes without a pass', () => {
  const { out, levels } = fresh();
  const refused = sequential(out, ...GUARD);
  assert.equal(refused.status, 1, refused.stderr);
  assert.match(refused.stderr, /note: the statistics are kept in .*out\.onnx\.levels/);
  assert.ok(!existsSync(out) && existsSync(levels));
  const allowed = sequential(out, ...GUARD, '--allow-worse');
  assert.equal(allowed.status, 0, allowed.stderr);
  assert.match(allowed.stderr, /7 of 7 levels/);
  assert.deepEqual(readFileSync(out), whole);
  assert.ok(!existsSync(levels));
});
