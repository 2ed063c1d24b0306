// What the containers of the manifests in cli/jobs run, run here: arguments expanded as the kubelet does, the index given as the
// Job controller gives it. No cluster is needed for that.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { type Manifest, PROGRAM, readManifest } from '../support/kubernetes.ts';
import { untimedRows } from '../support/run-eval.ts';
import { fileHashes } from '../support/run-teacher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const MODEL = SNAPSHOTS.at(-1) as string;
const DATA = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
/** What a grey model asks for, added to the arguments as its user would. */
const TRANSFORM = ['--preset=none', '--size=20', '--mean=0.286', '--std=0.353'];

/** One pod after the other, and the merge. */
function runJobs(
  { workers, merge, run }: Manifest,
  env: Readonly<Record<string, string>>,
  more: readonly string[],
  last: readonly string[] = [],
): void {
  for (let index = 0; index < (workers.spec?.completions ?? 0); index++) {
    run(workers, { ...env, JOB_COMPLETION_INDEX: String(index) }, more);
  }
  run(merge, env, last);
}

function alone(...args: readonly string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...args, '--device=cpu', '--threads=1', '--quiet'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
}

test('bn-recal: the Jobs of the manifest, run as four pods and a merge, write the bytes that one worker writes', () => {
  const folder = tempFolder();
  const manifest = readManifest('bn-recal.yaml', folder);
  const env: Readonly<Record<string, string>> = {
    ...manifest.settings,
    MODEL,
    DATA,
    OUT: join(folder, 'merged.onnx'),
    MOMENTS: join(folder, 'moments'),
    THREADS: '1',
  };
  // No folder of moments is there: the workers make it. Jobs that are applied again find their work done.
  runJobs(manifest, env, TRANSFORM);
  const first = readFileSync(env.OUT as string);
  runJobs(manifest, env, TRANSFORM);
  assert.ok(readFileSync(env.OUT as string).equals(first));
  const single = join(folder, 'single.onnx');
  const options = [`--samples=${env.SAMPLES}`, `--batch=${env.BATCH}`, ...TRANSFORM];
  alone('bn-recal', MODEL, `--data=${DATA}`, `--out=${single}`, ...options);
  assert.ok(readFileSync(env.OUT as string).equals(readFileSync(single)));
});

test('teacher-logits: the Jobs of the manifest, run as four pods and a merge, make the store that one worker makes', () => {
  const folder = tempFolder();
  const manifest = readManifest('teacher-logits.yaml', folder);
  const env: Readonly<Record<string, string>> = {
    ...manifest.settings,
    TEACHER: MODEL,
    DATA,
    OUT: join(folder, 'store'),
    THREADS: '1',
  };
  // The fixtures fill no more than one part of the default size.
  const more = [...TRANSFORM, '--rows-per-shard=1000', '--rows=0:1200'];
  runJobs(manifest, env, more);
  const options = [`--augment=${env.AUGMENT}`, `--views=${env.VIEWS}`, `--batch=${env.BATCH}`];
  alone('teacher-logits', MODEL, `--data=${DATA}`, `--out=${join(folder, 'single')}`, ...options, ...more);
  assert.deepEqual(fileHashes(env.OUT as string), fileHashes(join(folder, 'single')));
});

const LABELLED = {
  images: join(FASHION, 'test-images-idx3-ubyte.gz'),
  labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
};

test('avg-ckpt search: the Jobs of the manifest write the model that one search writes', () => {
  const folder = tempFolder();
  const manifest = readManifest('avg-ckpt-search.yaml', folder);
  const run = join(folder, 'run');
  mkdirSync(run);
  for (const path of SNAPSHOTS.slice(-3)) copyFileSync(path, join(run, basename(path)));
  const env: Readonly<Record<string, string>> = {
    ...manifest.settings,
    RUN: run,
    VAL: LABELLED.images,
    OUT: join(folder, 'best.onnx'),
    CACHE: join(folder, 'results'),
    THREADS: '1',
  };
  const more = [...TRANSFORM, `--val-labels=${LABELLED.labels}`, '--val-rows=0:60', '--include=last,greedy'];
  runJobs(manifest, env, more, [...more, '--allow-worse']);
  const single = join(folder, 'single.onnx');
  alone(
    'avg-ckpt',
    'search',
    run,
    `--val=${env.VAL}`,
    `--batch=${env.BATCH}`,
    ...more,
    '--allow-worse',
    `--out=${single}`,
  );
  assert.ok(readFileSync(env.OUT as string).equals(readFileSync(single)));
});

test('res-sweep: the Jobs of the manifest write the table that one sweep writes, but for times', () => {
  const folder = tempFolder();
  const manifest = readManifest('res-sweep.yaml', folder);
  const env: Readonly<Record<string, string>> = {
    ...manifest.settings,
    MODEL,
    DATA: LABELLED.images,
    TRAIN_SIZE: '20',
    SIZES: '16,24',
    OUT: join(folder, 'sweep.csv'),
    PARTS: join(folder, 'parts'),
    THREADS: '1',
  };
  const more = ['--preset=none', '--mean=0.286', '--std=0.353', `--labels=${LABELLED.labels}`, '--rows=0:60'];
  runJobs(manifest, env, more, more);
  const single = join(folder, 'single.csv');
  const options = ['--train-size=20', '--sizes=16,24', `--batch=${env.BATCH}`, `--csv=${single}`, '--workers=1'];
  alone('res-sweep', MODEL, `--data=${env.DATA}`, ...options, ...more);
  assert.deepEqual(untimedRows(env.OUT as string), untimedRows(single));
});

test('fix-res: the Jobs of the manifest write the model that one run writes', () => {
  const folder = tempFolder();
  const manifest = readManifest('fix-res.yaml', folder);
  const env: Readonly<Record<string, string>> = {
    ...manifest.settings,
    MODEL,
    TRAIN: DATA,
    VAL: LABELLED.images,
    TRAIN_SIZE: '20',
    SIZE: '28',
    OUT: join(folder, 'tuned.onnx'),
    FEATURES: join(folder, 'features'),
    THREADS: '1',
  };
  const trained = [`--train-labels=${join(FASHION, 'train-2k-labels-idx1-ubyte.gz')}`, '--train-rows=0:200'];
  const more = ['--preset=none', '--mean=0.286', '--std=0.353', ...trained, '--views=2'];
  const val = [`--val-labels=${LABELLED.labels}`, '--val-rows=0:40'];
  const last = [...more, ...val, '--epochs=3', '--allow-worse'];
  runJobs(manifest, env, [...more, ...val], last);
  const single = join(folder, 'single.onnx');
  const sets = [`--train=${env.TRAIN}`, `--val=${env.VAL}`, '--train-size=20', '--size=28', `--batch=${env.BATCH}`];
  alone('fix-res', MODEL, ...sets, ...last, `--out=${single}`);
  assert.ok(readFileSync(env.OUT as string).equals(readFileSync(single)));
});
