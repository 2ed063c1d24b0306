/** finish that is killed goes on, and ends with the bytes of a run that was not. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../../src/core/index.ts';
import { ONNX_TEMPER } from '../support/run-cli.ts';
import { COMMON, finish, finishWords, TRAIN, VAL, WORST_LAST } from '../support/run-finish.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** FINISH_KILLS=30 tries more moments. */
const KILLS = Number(process.env.FINISH_KILLS ?? 4);
const root = tempFolder();
const ARGS = [
  ...[...WORST_LAST, ...VAL, '--val-rows', '0:400', ...TRAIN, '--train-rows', '0:40', ...COMMON],
  ...['--sizes', '1x,1.2x', '--fix-res'],
];

/** Kills a run after so long. @returns whether it was over before */
async function killed(out: string, afterMs: number): Promise<boolean> {
  const child = spawn(process.execPath, [ONNX_TEMPER, ...finishWords(...ARGS, '--out-dir', out)], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const ended = await Promise.race([exited.then(() => true), sleep(afterMs).then(() => false)]);
  child.kill('SIGKILL');
  await exited;
  return ended;
}

const text = (folder: string, name: string): string => readFileSync(join(folder, name), 'utf8');
/** Results but for what is measured of time. */
function results(folder: string): object {
  const { measured, measured_tried, ...rest } = JSON.parse(text(folder, 'results.json')) as Record<string, unknown>;
  assert.ok(measured && measured_tried);
  return rest;
}

test(`killed at ${KILLS} random moments, the same command goes on and ends with the same bytes`, async () => {
  const whole = join(root, 'whole');
  const began = performance.now();
  const undisturbed = finish(...ARGS, '--out-dir', whole);
  const tookMs = performance.now() - began;
  assert.equal(undisturbed.status, 0, undisturbed.stderr);
  const stream = random(KILLS, 'moments');
  // A run is killed until it is over, then the next one is begun: every kill hits a run, most one that goes on.
  for (let kills = 0, run = 0; kills < KILLS; run++) {
    const broken = join(root, `broken-${run}`);
    while (kills < KILLS && !(await killed(broken, (0.05 + stream.float()) * tookMs))) kills++;
    const last = finish(...ARGS, '--out-dir', broken);
    // 3: it was whole already.
    assert.ok(last.status === 0 || last.status === 3, last.stderr);
    for (const name of ['model.onnx', 'recipe.yaml', 'README.md']) {
      assert.deepEqual(readFileSync(join(broken, name)), readFileSync(join(whole, name)), name);
    }
    assert.deepEqual(results(broken), results(whole));
    assert.deepEqual(readdirSync(broken).sort(), readdirSync(whole).sort());
  }
});
