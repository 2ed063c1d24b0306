/** The sweep's numbers against torch's: sizes of golden.json (all seven in the long suite), with stored and with recalibrated statistics. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { average } from '../support/average.ts';
import { FASHION, GOLDEN, type GoldenScore, SNAPSHOTS } from '../support/fashion.ts';
import { atLeast } from '../support/long.ts';
import { RES_SWEEP, runProgram } from '../support/run-cli.ts';
import { DATA, type Row, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const golden = GOLDEN as unknown as {
  readonly sweep: Readonly<Record<string, { uniform: GoldenScore; recalibrated_at_size: GoldenScore }>>;
};
const sizes = atLeast(Object.keys(golden.sweep).map(Number), 12, 20, 36);
const folder = tempFolder();
const uniform = join(folder, 'uniform.onnx');
let rows: readonly Row[] = [];

before(async () => {
  await average(SNAPSHOTS, uniform);
  const run = runProgram(RES_SWEEP, [
    uniform,
    ...DATA,
    ...TRANSFORM,
    ...['--train-size', '20', '--sizes', sizes.join(','), '--batch', '250', '--device', 'cpu', '--json', '--quiet'],
    ...['--bn', 'recalibrate', '--bn-data', join(FASHION, 'train-2k-images-idx3-ubyte.gz')],
  ]);
  assert.equal(run.status, 0, run.stderr);
  rows = (JSON.parse(run.stdout) as { rows: Row[] }).rows;
});

for (const [variant, key] of [
  ['keep', 'uniform'],
  ['recalibrated', 'recalibrated_at_size'],
] as const) {
  test(`${variant}: top-1 and top-5 at its sizes are torch's, NLL within 1e-5`, () => {
    const found = rows.filter((row) => row.variant === variant);
    assert.deepEqual(
      found.map((row) => row.test_size),
      sizes,
    );
    for (const row of found) {
      const expected = golden.sweep[String(row.test_size)]?.[key] as GoldenScore;
      assert.deepEqual([row.top1, row.top5], [expected.top1, expected.top5], `${row.test_size} px`);
      assert.ok(Math.abs(Number(row.nll) - expected.nll) < 1e-5, `${row.test_size} px: NLL ${row.nll}`);
    }
  });
}
