import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { test } from 'node:test';
import { SNAPSHOTS } from '../support/fashion.ts';
import { ONNX_TEMPER } from '../support/run-cli.ts';

const FULL = '/dev/full';

test('standard output on a full disk is an error with a meaning, no negative verdict', {
  skip: existsSync(FULL) ? false : `there is no ${FULL} here`,
}, () => {
  const words = [ONNX_TEMPER, 'inspect', SNAPSHOTS[0] as string];
  for (const more of [[], ['--json']]) {
    const full = openSync(FULL, 'w');
    const stdio = ['ignore', full, 'pipe'] as const;
    const run = spawnSync(process.execPath, [...words, ...more], { stdio: [...stdio], encoding: 'utf8' });
    closeSync(full);
    assert.equal(run.status, 7, run.stderr);
    assert.match(run.stderr, /^error: standard output: ENOSPC/);
    assert.doesNotMatch(run.stderr, /\n\s+at /);
  }
});
