// `teacher-logits score` against torch: golden.json's KL of the last snapshot and the uniform average on 1,000 images.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { SourceScore } from '../../src/distill/index.ts';
import { averageSnapshots } from '../support/average-snapshots.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { runProgram, TEACHER_LOGITS } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const { kl_last_to_uniform_1000: golden } = JSON.parse(readFileSync(`${FASHION}/golden.json`, 'utf8')) as {
  readonly kl_last_to_uniform_1000: Readonly<Record<string, number>>;
};
const TEMPERATURES = Object.keys(golden).map(Number);
const folder = tempFolder();
const DATA = [
  '--data',
  join(FASHION, 'test-images-idx3-ubyte.gz'),
  '--labels',
  join(FASHION, 'test-labels-idx1-ubyte.gz'),
];
const ON_CPU = ['--device', 'cpu', '--threads', '1', '--workers', '1', '--quiet', '--json'];
const TRANSFORM = [
  '--preset',
  'none',
  '--size',
  '20',
  '--interpolation',
  'bilinear',
  '--mean',
  '0.2860',
  '--std',
  '0.3530',
];

function teacherLogits<T>(...args: readonly string[]): T {
  const { status, stdout, stderr } = runProgram(TEACHER_LOGITS, [...args, ...ON_CPU]);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as T;
}

let student = '';
before(async () => {
  [student = ''] = await averageSnapshots(folder, {});
});

/** Scores the uniform average against targets of the last snapshot, stored in some form. */
function scoreStored(name: string, ...form: readonly string[]): SourceScore {
  const store = join(folder, name);
  teacherLogits(SNAPSHOTS.at(-1) as string, '--out', store, '--rows', '0:1000', ...DATA, ...TRANSFORM, ...form);
  const { scores } = teacherLogits<{ scores: SourceScore[] }>('score', store, '--student', student, ...DATA);
  const [score] = scores as [SourceScore];
  assert.deepEqual([scores.length, score.n_rows], [1, 1000]);
  assert.deepEqual(
    score.temperatures.map(({ temperature }) => temperature),
    TEMPERATURES,
  );
  return score;
}

for (const [dtype, tolerance] of [
  ['float16', 1e-4],
  ['float32', 2e-6],
] as const) {
  test(`KL from a ${dtype} store is torch's within ${tolerance} relative at T = ${TEMPERATURES.join(', ')}`, (context) => {
    const { temperatures } = scoreStored(dtype, '--store-dtype', dtype);
    for (const { temperature, kl } of temperatures) {
      const expected = golden[temperature] as number;
      const difference = Math.abs(kl - expected) / expected;
      context.diagnostic(
        `T ${temperature}: ${kl}, torch ${expected}, relative difference ${difference.toExponential(1)}`,
      );
      assert.ok(difference < tolerance, `T ${temperature}: ${kl}, torch ${expected}: ${difference}`);
    }
  });
}

for (const k of [3, 9]) {
  test(`top-${k}: the ghost bound and the largest KL enclose torch's`, (context) => {
    const score = scoreStored(`top-${k}`, '--top-k', String(k), '--store-dtype', 'float32');
    for (const { temperature, kl, kl_lower = Number.NaN, kl_upper = Number.NaN } of score.temperatures) {
      const expected = golden[temperature] as number;
      context.diagnostic(`T ${temperature}: ${kl_lower} <= ${expected} <= ${kl_upper}, estimate ${kl}`);
      const slack = 2e-6 * expected;
      assert.ok(kl_lower <= expected + slack && expected <= kl_upper + slack, `T ${temperature}`);
      assert.ok(kl_lower <= kl + slack && kl <= kl_upper + slack, `T ${temperature}: the estimate`);
      if (k >= 9) assert.ok(kl_upper - kl_lower < 4e-6 * expected, `T ${temperature}: nothing is left to spread`);
    }
  });
}
