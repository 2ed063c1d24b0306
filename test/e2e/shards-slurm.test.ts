// cli/jobs/avg-ckpt-search.sbatch and res-sweep.sbatch on a real Slurm of one node. Opt-in, as it starts daemons, and installs Debian's
// slurm-wlm and munge where they are missing; needs root: ONNX_TEMPER_SLURM=1 node --test dist/test/e2e/shards-slurm.test.js
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { ONNX_TEMPER } from '../support/run-cli.ts';
import { untimedRows } from '../support/run-eval.ts';
import { startSlurm } from '../support/slurm.ts';
import { tempFolder } from '../support/temp-folder.ts';

const IMAGES = join(FASHION, 'test-images-idx3-ubyte.gz');
const LABELS = join(FASHION, 'test-labels-idx1-ubyte.gz');
const PLAIN = '--preset none --mean 0.286 --std 0.353 --batch 32';
// The node may have one processor.
const SBATCH = ['--parsable', '--cpus-per-task=1', '--mem=1G'];

const folder = tempFolder();
const skip = process.env.ONNX_TEMPER_SLURM ? false : 'ONNX_TEMPER_SLURM is not set';

function alone(args: string): void {
  const words = [ONNX_TEMPER, ...args.split(' '), '--device', 'cpu', '--threads', '1', '--workers', '1', '--quiet'];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

test('avg-ckpt search and res-sweep as Slurm job arrays', { skip }, async (context) => {
  const slurm = startSlurm(folder);
  context.after(() => slurm.stop());
  const runArray = (script: string, settings: Readonly<Record<string, string>>): void => {
    const env = { ONNX_TEMPER: `${process.execPath} ${ONNX_TEMPER}`, ...settings };
    const submit = (...args: readonly string[]): string =>
      slurm.run('sbatch', [...SBATCH, ...args, resolve('cli', 'jobs', script)], { cwd: folder, env });
    const workers = submit('--array=0-2');
    try {
      submit('--wait', `--dependency=afterok:${workers}`, '--kill-on-invalid-dep=yes');
    } catch (error) {
      const logs = readdirSync(folder).filter((name) => name.endsWith('.log'));
      throw new Error(logs.map((name) => `${name}: ${readFileSync(join(folder, name), 'utf8')}`).join(), {
        cause: error,
      });
    }
  };

  await context.test('three workers and the search after them write the bytes of one search', () => {
    const run = SNAPSHOTS.slice(-3).join(' ');
    const options = `--val-labels ${LABELS} --val-rows 0:60 --size 20 ${PLAIN} --include last,greedy`;
    const [OUT, single] = [join(folder, 'best.onnx'), join(folder, 'single.onnx')];
    const glob = join(FASHION, 'checkpoints', 'epoch_2[345].onnx');
    const [CACHE, FINAL_OPTIONS] = [join(folder, 'results'), '--allow-worse'];
    runArray('avg-ckpt-search.sbatch', { RUN: glob, VAL: IMAGES, OUT, CACHE, OPTIONS: options, FINAL_OPTIONS });
    alone(`avg-ckpt search ${run} --val ${IMAGES} ${options} --allow-worse --out ${single}`);
    assert.ok(readFileSync(OUT).equals(readFileSync(single)));
    assert.deepEqual(readdirSync(CACHE).sort(), ['0-of-3.jsonl', '1-of-3.jsonl', '2-of-3.jsonl']);
  });

  await context.test('three workers and the sweep after them write the table of one sweep, but for times', () => {
    const options = `--labels ${LABELS} --rows 0:60 --train-size 20 --sizes 16,24 ${PLAIN}`;
    const [OUT, PARTS, single] = [join(folder, 'sweep.csv'), join(folder, 'parts'), join(folder, 'single.csv')];
    const MODELS = SNAPSHOTS.slice(-2).join(' ');
    runArray('res-sweep.sbatch', { MODELS, DATA: IMAGES, OUT, PARTS, OPTIONS: options });
    alone(`res-sweep ${MODELS} --data ${IMAGES} ${options} --csv ${single}`);
    assert.deepEqual(untimedRows(OUT), untimedRows(single));
    assert.equal(readdirSync(PARTS).length, 3);
  });
});
