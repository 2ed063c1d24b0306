// cli/jobs/bn-recal.sbatch on a real Slurm of one node. Opt-in, as it starts daemons, and installs Debian's slurm-wlm and munge
// where they are missing; needs root: ONNX_TEMPER_SLURM=1 node --test dist/test/e2e/slurm.test.js
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { startSlurm } from '../support/slurm.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PROGRAM = resolve('dist', 'cli', 'onnx-temper.js');
const SCRIPT = resolve('cli', 'jobs', 'bn-recal.sbatch');
const MODEL = SNAPSHOTS.at(-1) as string;
const DATA = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
const OPTIONS = ['--size', '20', '--preset', 'none', '--mean', '0.286', '--std', '0.353', '--batch', '100'];
// The node may have one processor.
const SBATCH = ['--parsable', '--cpus-per-task=1', '--mem=1G'];

const folder = tempFolder();
const skip = process.env.ONNX_TEMPER_SLURM ? false : 'ONNX_TEMPER_SLURM is not set';

test('bn-recal as a Slurm job array', { skip }, async (context) => {
  const slurm = startSlurm(folder);
  context.after(() => slurm.stop());
  const settings = {
    MODEL,
    DATA,
    OUT: join(folder, 'merged.onnx'),
    MOMENTS: join(folder, 'moments'),
    OPTIONS: OPTIONS.join(' '),
    ONNX_TEMPER: `${process.execPath} ${PROGRAM}`,
  };
  const submit = (args: readonly string[], env: Readonly<Record<string, string>> = {}): string =>
    slurm.run('sbatch', [...SBATCH, ...args, SCRIPT], { cwd: folder, env: { ...settings, ...env } });
  const logs = (): string =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => `${name}: ${readFileSync(join(folder, name), 'utf8')}`)
      .join('\n');
  const merge = (out: string, workers: string): Buffer => {
    try {
      submit(['--wait', `--dependency=afterok:${workers}`, '--kill-on-invalid-dep=yes'], { OUT: out });
    } catch (error) {
      throw new Error(logs(), { cause: error });
    }
    return readFileSync(out);
  };
  let expected: Buffer;

  await context.test('four workers, merged, write the bytes that one worker writes', () => {
    const single = join(folder, 'single.onnx');
    const args = [PROGRAM, 'bn-recal', MODEL, '--data', DATA, '--out', single, ...OPTIONS];
    const alone = spawnSync(process.execPath, [...args, '--device', 'cpu', '--threads', '1', '--quiet'], {
      encoding: 'utf8',
    });
    assert.equal(alone.status, 0, alone.stderr);
    expected = readFileSync(single);
    const merged = merge(settings.OUT, submit(['--array=0-3']));
    assert.deepEqual(
      readdirSync(settings.MOMENTS).sort(),
      [0, 1, 2, 3].map((i) => `${i}.safetensors`),
    );
    assert.ok(merged.equals(expected));
    assert.ok(!expected.equals(readFileSync(MODEL)), 'the statistics are new');
  });

  await context.test('one worker run again by its number, and an array that counts in steps, give them too', () => {
    rmSync(join(settings.MOMENTS, '2.safetensors'));
    const again = submit(['--array=2'], { SHARD: '2/4' });
    assert.ok(merge(join(folder, 'again.onnx'), again).equals(expected));
    const MOMENTS = join(folder, 'steps');
    settings.MOMENTS = MOMENTS;
    assert.ok(merge(join(folder, 'steps.onnx'), submit(['--array=10-20:5'])).equals(expected));
    assert.deepEqual(
      readdirSync(MOMENTS).sort(),
      ['10', '15', '20'].map((i) => `${i}.safetensors`),
    );
  });

  await context.test('a worker that was requeued while it ran changes nothing', () => {
    settings.MOMENTS = join(folder, 'requeued');
    const workers = submit(['--array=0-3']);
    const running = (): boolean =>
      slurm
        .run('squeue', ['--noheader', '--array', '--states=R', `--job=${workers}`, '--format=%K'])
        .split('\n')
        .includes('0');
    for (const end = Date.now() + 30_000; !running() && Date.now() < end; );
    slurm.run('scontrol', ['requeue', `${workers}_0`]);
    assert.ok(merge(join(folder, 'requeued.onnx'), workers).equals(expected));
    assert.match(slurm.run('scontrol', ['show', 'job', `${workers}_0`]), /Restarts=1/);
  });

  await context.test('a missing worker is named, and nothing is written', () => {
    rmSync(join(settings.MOMENTS, '1.safetensors'));
    const out = join(folder, 'missing.onnx');
    assert.throws(() => submit(['--wait'], { OUT: out }));
    assert.match(logs(), /5 of 20 batches are in no file: 1, 5, 9, 13, 17/);
    assert.ok(!readdirSync(folder).includes('missing.onnx'));
  });
});
