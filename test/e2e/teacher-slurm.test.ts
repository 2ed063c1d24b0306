// cli/jobs/teacher-logits.sbatch on a real Slurm of one node. Opt-in, as it starts daemons, and installs Debian's slurm-wlm and
// munge where they are missing; needs root: ONNX_TEMPER_SLURM=1 node --test dist/test/e2e/teacher-slurm.test.js
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { ONNX_TEMPER } from '../support/run-cli.ts';
import { fileHashes, teacherJson } from '../support/run-teacher.ts';
import { startSlurm } from '../support/slurm.ts';
import { tempFolder } from '../support/temp-folder.ts';

const SCRIPT = resolve('cli', 'jobs', 'teacher-logits.sbatch');
const TEACHERS = [SNAPSHOTS.at(-1) as string, SNAPSHOTS[0] as string];
const DATA = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
const OPTIONS = [
  ...['--size', '20', '--preset', 'none', '--mean', '0.286', '--std', '0.353', '--batch', '50'],
  ...['--augment', 'rrc,flip', '--views', '4', '--top-k', '5', '--rows-per-shard', '200'],
];
// The node may have one processor.
const SBATCH = ['--parsable', '--cpus-per-task=1', '--mem=1G'];
const WAIT_MS = 60_000;

const folder = tempFolder();
const skip = process.env.ONNX_TEMPER_SLURM ? false : 'ONNX_TEMPER_SLURM is not set';

function waitFor(what: string, done: () => boolean): void {
  for (const end = Date.now() + WAIT_MS; !done(); ) {
    assert.ok(Date.now() < end, what);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  }
}

test('teacher-logits as a Slurm job array', { skip }, async (context) => {
  const slurm = startSlurm(folder);
  context.after(() => slurm.stop());
  const single = join(folder, 'single');
  teacherJson([...TEACHERS, '--data', DATA, ...OPTIONS, '--out', single]);
  const whole = fileHashes(single);

  const submit = (out: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string =>
    slurm.run('sbatch', [...SBATCH, ...args, SCRIPT], {
      cwd: folder,
      env: {
        TEACHERS: TEACHERS.join(' '),
        DATA,
        OUT: out,
        OPTIONS: OPTIONS.join(' '),
        ONNX_TEMPER: `${process.execPath} ${ONNX_TEMPER}`,
        ...env,
      },
    });
  const logs = (): string =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => `${name}: ${readFileSync(join(folder, name), 'utf8')}`)
      .join('\n');
  const merge = (out: string, args: readonly string[]): void => {
    try {
      submit(out, ['--wait', ...args]);
    } catch (error) {
      throw new Error(logs(), { cause: error });
    }
  };
  const partsOf = (out: string): string[] => {
    const parts = join(out, 'parts');
    return existsSync(parts) ? readdirSync(parts).filter((name) => name.endsWith('.json')) : [];
  };
  /** Waits until a worker is in the middle of its work: some of its parts are there. */
  const working = (out: string): void => waitFor(`no part in ${out}: ${logs()}`, () => partsOf(out).length > 0);

  await context.test('four workers and a dependent merge make the store that one worker makes', () => {
    const out = join(folder, 'four');
    const workers = submit(out, ['--array=0-3']);
    merge(out, [`--dependency=afterok:${workers}`, '--kill-on-invalid-dep=yes']);
    assert.deepEqual(fileHashes(out), whole);
  });

  await context.test('a task that is requeued while it runs goes on where it was', () => {
    const out = join(folder, 'requeued');
    const workers = submit(out, ['--array=0-2']);
    working(out);
    slurm.run('scontrol', ['requeue', `${workers}_0`]);
    merge(out, [`--dependency=afterok:${workers}`, '--kill-on-invalid-dep=yes']);
    assert.deepEqual(fileHashes(out), whole);
    assert.match(slurm.run('scontrol', ['show', 'job', `${workers}_0`]), /Restarts=1/);
  });

  await context.test(
    'a task that is cancelled is missed by the merge, by its parts; submitted again it goes on',
    () => {
      const out = join(folder, 'cancelled');
      const workers = submit(out, ['--array=0-1']);
      working(out);
      slurm.run('scancel', ['--signal=KILL', `${workers}_1`]);
      waitFor('the array runs on', () => slurm.run('squeue', ['--noheader', `--job=${workers}`]) === '');
      const kept = partsOf(out).length;
      assert.throws(() => submit(out, ['--wait']));
      assert.match(logs(), /parts are missing: \d+/);
      assert.ok(!existsSync(join(out, 'manifest.json')));
      const again = submit(out, ['--array=1'], { SHARD: '1/2' });
      merge(out, [`--dependency=afterok:${again}`]);
      assert.ok(kept < partsOf(out).length);
      assert.deepEqual(fileHashes(out), whole);
    },
  );
});
