import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { v8Flags } from '../../../../cli/shared/start.ts';

test('V8 is told nothing that it does not know: it would say so before every answer', () => {
  assert.equal(v8Flags('20.20.2').length, 1);
  for (const version of ['2.20.0', '200.1.0', '21.7.3', '22.23.3', '24.21.0']) assert.deepEqual(v8Flags(version), []);
  for (const flag of v8Flags(process.versions.node)) {
    const { stderr } = spawnSync(process.execPath, ['-e', `require('v8').setFlagsFromString('${flag}')`], {
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
  }
});
