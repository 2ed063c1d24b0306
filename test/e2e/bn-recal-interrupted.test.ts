import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { BN_RECAL } from '../support/run-cli.ts';
import { IMAGES, ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();

/** Work for a minute, in the statistics or in the guard. */
const BASE = [SNAPSHOTS[0] as string, '--size', '32', ...TRANSFORM, '--batch', '50', ...ON_CPU];
const LABELS = join(FASHION, 'test-labels-idx1-ubyte.gz');
const CASES: Readonly<Record<string, readonly string[]>> = {
  'while statistics are measured': ['--data', IMAGES, '--rows', '0:900', '--augment', 'rrc', '--views', '300'],
  'while the guard evaluates': ['--data', IMAGES, '--rows', '0:50', '--guard-data', IMAGES, '--guard-labels', LABELS],
};

for (const [when, data] of Object.entries(CASES)) {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`${signal} ${when} ends with 130 and leaves what was there`, async () => {
      const folder = join(root, `${when}-${signal}`);
      mkdirSync(folder);
      const out = join(folder, 'out.onnx');
      writeFileSync(out, 'the old output');
      const child = spawn(process.execPath, [BN_RECAL, ...BASE, ...data, '--out', out, '--force'], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (text: Buffer) => {
        stderr += text.toString();
      });
      const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
      // A note says that signals are listened to and data is read.
      while (child.exitCode === null && !stderr.includes('images are few')) await sleep(20);
      await sleep(1500);
      assert.equal(child.exitCode, null, `it has ended before the signal: ${stderr}`);
      child.kill(signal);
      const begun = performance.now();
      const [code] = await exited;
      assert.equal(code, 130, stderr);
      assert.match(stderr, new RegExp(`interrupted \\(${signal}\\)`));
      assert.ok(performance.now() - begun < 10_000, 'it went on for seconds');
      assert.deepEqual(readdirSync(folder), ['out.onnx']);
    });
  }
}
