// What the scripts of cli/jobs run, run here: as tasks of an array with the variables that Slurm sets, then alone. slurm.test.ts asks a
// real Slurm.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { ONNX_TEMPER } from '../support/run-cli.ts';
import { untimedRows } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const IMAGES = join(FASHION, 'test-images-idx3-ubyte.gz');
const LABELS = join(FASHION, 'test-labels-idx1-ubyte.gz');
const PLAIN = '--preset none --mean 0.286 --std 0.353 --batch 32';
const TASKS = 3;

type Settings = Readonly<Record<string, string>>;

function runScript(name: string, settings: Settings): void {
  const env = { PATH: process.env.PATH ?? '', ONNX_TEMPER: `${process.execPath} ${ONNX_TEMPER}`, ...settings };
  const { status, stderr } = spawnSync('bash', [resolve('cli', 'jobs', name)], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

/** The tasks of an array that counts from 10, the last one first; then the job that depends on them. */
function runArray(name: string, settings: Settings): void {
  const [min, max] = [10, 10 + TASKS - 1];
  const array = {
    SLURM_ARRAY_TASK_MIN: String(min),
    SLURM_ARRAY_TASK_MAX: String(max),
    SLURM_ARRAY_TASK_COUNT: String(TASKS),
    SLURM_CPUS_PER_TASK: '1',
  };
  for (let id = max; id >= min; id--) runScript(name, { ...settings, ...array, SLURM_ARRAY_TASK_ID: String(id) });
  runScript(name, settings);
}

function alone(args: string): void {
  const words = [ONNX_TEMPER, ...args.split(' '), '--device', 'cpu', '--threads', '1', '--workers', '1', '--quiet'];
  const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

test('avg-ckpt-search.sbatch: an array of three and the search after it write the bytes of one search', () => {
  const folder = tempFolder();
  const run = join(folder, 'run');
  mkdirSync(run);
  for (const path of SNAPSHOTS.slice(-3)) copyFileSync(path, join(run, basename(path)));
  const options = `--val-labels ${LABELS} --val-rows 0:60 --size 20 ${PLAIN} --include last,greedy`;
  const [OUT, CACHE, single] = [join(folder, 'best.onnx'), join(folder, 'results'), join(folder, 'single.onnx')];
  const settings = { RUN: run, VAL: IMAGES, OUT, CACHE, OPTIONS: options, FINAL_OPTIONS: '--allow-worse' };
  runArray('avg-ckpt-search.sbatch', settings);
  alone(`avg-ckpt search ${run} --val ${IMAGES} ${options} --allow-worse --out ${single}`);
  assert.ok(readFileSync(OUT).equals(readFileSync(single)));
  assert.deepEqual(readdirSync(CACHE).sort(), ['0-of-3.jsonl', '1-of-3.jsonl', '2-of-3.jsonl']);
});

test('res-sweep.sbatch: an array of three and the sweep after it write the table of one sweep, but for times', () => {
  const folder = tempFolder();
  const options = `--labels ${LABELS} --rows 0:60 --train-size 20 --sizes 16,24 ${PLAIN}`;
  const [OUT, PARTS, single] = [join(folder, 'sweep.csv'), join(folder, 'parts'), join(folder, 'single.csv')];
  const MODELS = SNAPSHOTS.slice(-2).join(' ');
  runArray('res-sweep.sbatch', { MODELS, DATA: IMAGES, OUT, PARTS, OPTIONS: options });
  alone(`res-sweep ${MODELS} --data ${IMAGES} ${options} --csv ${single}`);
  assert.deepEqual(untimedRows(OUT), untimedRows(single));
});

test('fix-res.sbatch: an array of three and the run after it write the bytes of one run', () => {
  const folder = tempFolder();
  const train = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
  const trainLabels = join(FASHION, 'train-2k-labels-idx1-ubyte.gz');
  const sets = `--train-labels ${trainLabels} --train-rows 0:90 --val-labels ${LABELS} --val-rows 0:40`;
  const options = `${sets} --train-size 20 --size 28 ${PLAIN} --views 2`;
  const [OUT, FEATURES, single] = [join(folder, 'tuned.onnx'), join(folder, 'features'), join(folder, 'single.onnx')];
  const MODEL = SNAPSHOTS.at(-1) as string;
  const last = '--epochs 3 --allow-worse';
  runArray('fix-res.sbatch', {
    MODEL,
    TRAIN: train,
    VAL: IMAGES,
    OUT,
    FEATURES,
    OPTIONS: options,
    FINAL_OPTIONS: last,
  });
  alone(`fix-res ${MODEL} --train ${train} --val ${IMAGES} ${options} ${last} --out ${single}`);
  assert.ok(readFileSync(OUT).equals(readFileSync(single)));
});
