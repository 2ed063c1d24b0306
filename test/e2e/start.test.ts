/** Starts that fail or are interrupted: never Node's exit code 1, which is a verdict. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SNAPSHOTS } from '../support/fashion.ts';
import { ONNX_TEMPER } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const ARGS = ['avg-ckpt', ...SNAPSHOTS.slice(0, 2), '--dry-run'];

test('too few descriptors to start or to work with: exit code 7 and what to do, whatever was open by then', (context) => {
  if (process.platform === 'win32') return context.skip('no ulimit');
  const codes = new Set<number | null>();
  for (let n = 18; n <= 48; n += 6) {
    const words = ['-c', `ulimit -n ${n}; exec "$@"`, 'sh', process.execPath, ONNX_TEMPER, ...ARGS];
    const { status, stderr } = spawnSync('sh', words, { encoding: 'utf8' });
    codes.add(status);
    if (status !== 0) assert.match(stderr, /^error: .*\n {2}hint: .*ulimit -n/m, `${n}: ${stderr}`);
  }
  assert.ok(
    [...codes].every((code) => code === 0 || code === 7),
    [...codes].join(),
  );
  assert.ok(codes.has(7));
});

/** A module that sends its own process a signal as soon as one is listened to: while the program is still being loaded. */
const SIGNAL = `data:text/javascript,${encodeURIComponent(`
  const look = () => process.listenerCount('SIGTERM') > 0 ? process.kill(process.pid, 'SIGTERM') : setImmediate(look);
  look();
`)}`;

test('a signal while modules are loaded is heard: exit code 130, a message, and no output', (context) => {
  if (process.platform === 'win32') return context.skip('no signals');
  const folder = tempFolder();
  const args = ['avg-ckpt', ...SNAPSHOTS, '--out', join(folder, 'out.onnx')];
  const { status, stderr } = spawnSync(process.execPath, ['--import', SIGNAL, ONNX_TEMPER, ...args], {
    encoding: 'utf8',
  });
  assert.equal(status, 130, stderr);
  assert.match(stderr, /interrupted \(SIGTERM\)/);
  assert.deepEqual(readdirSync(folder), []);
});
