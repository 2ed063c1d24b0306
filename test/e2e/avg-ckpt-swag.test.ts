import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECKPOINTS, FASHION } from '../support/fashion.ts';
import { avgCkpt } from '../support/run-cli.ts';
import { evalJson, ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const VAL = [
  ...['--val', join(FASHION, 'test-20px-images-idx3-ubyte.gz'), '--val-rows', '0:400'],
  ...['--val-labels', join(FASHION, 'test-labels-idx1-ubyte.gz')],
  ...['--bn-data', join(FASHION, 'train-2k-images-idx3-ubyte.gz'), '--bn-limit', '300'],
  ...['--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353'],
] as const;

interface Found {
  readonly rank: number;
  readonly scale: number;
  readonly recalibrated_layers: number;
  readonly models: readonly { readonly model: string; readonly nll: number; readonly ece15: number }[] | null;
  readonly outputs: readonly { readonly path: string; readonly sha256: string }[];
  readonly error?: { readonly code: string };
}
function swag(status: number, ...args: readonly string[]): Found {
  const run = avgCkpt('swag', CHECKPOINTS, ...args, '--json', '--quiet', ...ON_CPU);
  assert.equal(run.status, status, run.stderr);
  return JSON.parse(run.stdout) as Found;
}
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

test('the mean of the predictions is scored beside SWA and a single sample; written samples verify, and come out the same again', () => {
  const folder = join(root, 'samples');
  const found = swag(0, ...VAL, '--samples', '4', '--out-dir', folder);
  assert.deepEqual([found.rank, found.scale, found.recalibrated_layers], [12, 0.5, 9]);
  assert.deepEqual(
    found.models?.map(({ model }) => model),
    ['SWA', 'one sample', 'SWAG, mean of 4'],
  );
  const [swa, sample, bayesian] = found.models ?? [];
  assert.ok(Number(swa?.nll) > 0);
  // The written samples, measured by the other command: Jensen's inequality holds for any model average.
  const images = join(FASHION, 'test-20px-images-idx3-ubyte.gz');
  const data = ['--data', images, '--rows', '0:400', '--labels', join(FASHION, 'test-labels-idx1-ubyte.gz')] as const;
  const { models } = evalJson([...found.outputs.map(({ path }) => path), ...data, '--size', '20', ...TRANSFORM]);
  assert.ok(Math.abs(Number(models[0]?.nll) - Number(sample?.nll)) < 1e-6);
  assert.ok(Number(bayesian?.nll) <= models.reduce((sum, { nll }) => sum + Number(nll) / 4, 0));
  assert.equal(new Set(found.outputs.map(({ sha256: hash }) => hash)).size, 4);
  const [, second] = found.outputs;
  assert.ok(second);
  assert.equal(sha256(second.path), second.sha256);
  const verified = avgCkpt('verify', second.path, '--inputs', CHECKPOINTS);
  assert.equal(verified.status, 0, verified.stdout);
  assert.match(verified.stderr, /18 tensors were measured on data/);

  const again = swag(0, ...VAL, '--samples', '2', '--out-dir', join(root, 'again'));
  assert.equal(again.outputs[1]?.sha256, second.sha256, 'more samples do not change the first ones');
});

test('the command says whether SWAG lowers the NLL, and refuses what cannot work', () => {
  const run = avgCkpt('swag', CHECKPOINTS, ...VAL, '--samples', '2', '--rank', '0', ...ON_CPU);
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /SWAG (lowers|raises|does not change) the NLL/);
  assert.equal(swag(2).error?.code, 'USAGE');
  assert.equal(swag(2, '--out-dir', join(root, 'none'), '--rank', '1').error?.code, 'USAGE');
  assert.ok(!existsSync(join(root, 'none')));
});
