import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { ConfigMap } from 'kubernetes-types/core/v1.js';
import { parseAllDocuments } from 'yaml';

/** The program that a container would have on its PATH. */
export const PROGRAM = resolve('dist', 'cli', 'onnx-temper.js');

export interface Manifest {
  /** The ConfigMap's data. */
  readonly settings: Readonly<Record<string, string>>;
  readonly workers: Job;
  readonly merge: Job;
  /**
   * Runs a Job's container on this machine, with a PATH that has onnx-temper: arguments expanded as the kubelet does, and
   * `more` after them; its exit code must be 0.
   */
  readonly run: (job: Job, env: Readonly<Record<string, string>>, more?: readonly string[]) => void;
}

/** A manifest of cli/jobs: a ConfigMap, the Job of the workers, the Job that merges. */
export function readManifest(name: string, folder: string): Manifest {
  const [configMap, ...jobs] = parseAllDocuments(readFileSync(join('cli', 'jobs', name), 'utf8')).map(
    (document) => document.toJS() as unknown,
  ) as [ConfigMap, ...Job[]];
  const [workers, merge] = jobs;
  assert.ok(workers && merge);
  mkdirSync(join(folder, 'bin'));
  chmodSync(PROGRAM, 0o755);
  symlinkSync(PROGRAM, join(folder, 'bin', 'onnx-temper'));
  return {
    settings: configMap.data ?? {},
    workers,
    merge,
    run(job, env, more = []) {
      const [{ command = [], args = [] } = {}] = job.spec?.template.spec?.containers ?? [];
      const [program = '', ...rest] = [...command, ...args, ...more].map((word) =>
        word.replaceAll(/\$\((\w+)\)/g, (_, variable: string) => env[variable] ?? assert.fail(variable)),
      );
      const PATH = [join(folder, 'bin'), process.env.PATH].join(delimiter);
      const { status, stderr } = spawnSync(program, rest, { env: { ...env, PATH }, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    },
  };
}
