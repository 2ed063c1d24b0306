// What the containers of cli/jobs/bn-recal.yaml run, run here: arguments expanded as the kubelet does, the index given as the Job
// controller gives it. No cluster is needed for that.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { test } from 'node:test';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { ConfigMap } from 'kubernetes-types/core/v1.js';
import { parseAllDocuments } from 'yaml';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PROGRAM = resolve('dist', 'cli', 'onnx-temper.js');

test('the Jobs of the manifest, run as four pods and a merge, write the bytes that one worker writes', () => {
  const folder = tempFolder();
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'moments'));
  chmodSync(PROGRAM, 0o755);
  symlinkSync(PROGRAM, join(folder, 'bin', 'onnx-temper'));

  const [configMap, ...jobs] = parseAllDocuments(readFileSync('cli/jobs/bn-recal.yaml', 'utf8')).map(
    (document) => document.toJS() as unknown,
  ) as [ConfigMap, ...Job[]];
  const MODEL = SNAPSHOTS.at(-1) as string;
  const DATA = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
  const settings: Readonly<Record<string, string>> = {
    ...configMap.data,
    MODEL,
    DATA,
    OUT: join(folder, 'merged.onnx'),
    MOMENTS: join(folder, 'moments'),
    THREADS: '1',
  };

  // What a grey model asks for, added to the arguments as its user would.
  const transform = ['--preset=none', '--size=20', '--mean=0.286', '--std=0.353'];
  const runContainer = (job: Job, variables: Readonly<Record<string, string>>, more: readonly string[] = []): void => {
    const [{ command = [], args = [] } = {}] = job.spec?.template.spec?.containers ?? [];
    const env = { ...settings, ...variables };
    const [program = '', ...rest] = [...command, ...args, ...more].map((word) =>
      word.replaceAll(/\$\((\w+)\)/g, (_, name: string) => env[name] ?? assert.fail(name)),
    );
    const PATH = [join(folder, 'bin'), process.env.PATH].join(delimiter);
    const { status, stderr } = spawnSync(program, rest, { env: { ...env, PATH }, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  };
  const [workers, merge] = jobs;
  assert.ok(workers && merge);
  for (let index = 0; index < (workers.spec?.completions ?? 0); index++) {
    runContainer(workers, { JOB_COMPLETION_INDEX: String(index) }, transform);
  }
  runContainer(merge, {});

  const single = join(folder, 'single.onnx');
  const options = [`--samples=${settings.SAMPLES}`, `--batch=${settings.BATCH}`, '--device=cpu', '--threads=1'];
  const args = [PROGRAM, 'bn-recal', MODEL, `--data=${DATA}`, `--out=${single}`, ...options, ...transform, '--quiet'];
  const alone = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(alone.status, 0, alone.stderr);
  assert.ok(readFileSync(settings.OUT as string).equals(readFileSync(single)));
});
