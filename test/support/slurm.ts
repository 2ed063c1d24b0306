import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const SCRIPT = join('test', 'support', 'slurm-one-node.sh');
const START_MS = 60_000;

export interface Slurm {
  /** Runs a Slurm command; its output, trimmed. */
  run(
    command: string,
    args: readonly string[],
    options?: { cwd?: string; env?: Readonly<Record<string, string>> },
  ): string;
  stop(): void;
}

/** Starts a real Slurm of one node on this machine, state in `folder`; needs root, and Debian's packages (installed if need be). */
export function startSlurm(folder: string): Slurm {
  const environment = { ...process.env, TMPDIR: folder, SLURM_CONF: join(folder, 'slurm-one', 'slurm.conf') };
  const run: Slurm['run'] = (command, args, { cwd, env } = {}) => {
    const done = spawnSync(command, args, { cwd, env: { ...environment, ...env }, encoding: 'utf8' });
    assert.equal(done.status, 0, `${command} ${args.join(' ')}: ${done.error?.message ?? done.stderr}${done.stdout}`);
    return done.stdout.trim();
  };
  // Its daemons keep the output open: nothing must wait for it to close.
  const started = spawnSync('bash', [SCRIPT, 'start'], { env: environment, stdio: 'ignore' });
  assert.equal(started.status, 0, `${SCRIPT} start failed: run it by hand to see why`);
  for (const end = Date.now() + START_MS; run('sinfo', ['--noheader', '--format=%T']) !== 'idle'; ) {
    assert.ok(Date.now() < end, `no idle node: ${run('sinfo', [])}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  }
  return {
    run,
    stop: () => {
      spawnSync('bash', [SCRIPT, 'stop'], { env: environment, stdio: 'ignore' });
    },
  };
}
