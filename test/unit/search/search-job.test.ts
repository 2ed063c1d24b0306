import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statisticsMode } from '../../../src/search/search-options.ts';
import { swag } from '../../../src/search/swag-job.ts';

const train = { source: 'train/' };

test('statistics are averaged without images, both forms are tried with them, and what is asked for is done', () => {
  assert.equal(statisticsMode({}), 'average');
  assert.equal(statisticsMode({ train }), 'auto');
  assert.equal(statisticsMode({ train, bn: 'average' }), 'average');
  assert.equal(statisticsMode({ train, bn: 'repair' }), 'repair');
  for (const bn of ['recalibrate', 'auto', 'repair'] as const)
    assert.throws(() => statisticsMode({ bn }), {
      code: 'USAGE',
      message: `\`bn\` ${bn} needs images to measure statistics on`,
    });
});

test('swag refuses what leaves nothing to do before it looks for snapshots', async () => {
  const refused = (options: Omit<Parameters<typeof swag>[0], 'inputs'>, message: RegExp) =>
    assert.rejects(swag({ inputs: ['no such folder'], ...options }), { code: 'USAGE', message });
  await refused({}, /nothing is asked for/);
  await refused({ outDir: 'samples', train }, /`train` without `val`/);
  await refused({ outDir: 'samples', samples: 0 }, /`samples` 0: expected a whole number from 1/);
});
