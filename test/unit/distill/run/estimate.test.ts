import assert from 'node:assert/strict';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertRoom, estimateStore } from '../../../../src/distill/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { makeStore, storeRun } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();

test('the size of a store is known before it is made, within a few per cent for whole parts', async () => {
  for (const change of [{}, { kind: 'top_k', top_k: 3 } as const]) {
    const run = storeRun({ n_samples: 4000, rows_per_part: 4000, ...change });
    const folder = await makeStore(root, `size-${String(run.top_k)}`, run);
    const files = readdirSync(folder, { recursive: true }).map((file) => join(folder, String(file)));
    const size = files
      .filter((file) => file.endsWith('.safetensors'))
      .reduce((sum, file) => sum + statSync(file).size, 0);
    const { bytes, missingBytes } = estimateStore(folder, run);
    assert.ok(Math.abs(bytes / size - 1) < 0.02, `${bytes} for ${size}`);
    assert.equal(missingBytes, 0);
    rmSync(join(folder, 'parts/part-00001-of-00002.json'));
    assert.equal(estimateStore(folder, run).missingBytes, bytes / 2);
  }
});

test('a disk without room is refused, also for a folder that is not there yet', async () => {
  await assertRoom(join(root, 'not', 'there'), 1);
  await expectFailure('OUTPUT_WRITE', [/take \d+ bytes more, the disk has \d+ free/, /`topK`/], () =>
    assertRoom(join(root, 'not', 'there'), 2 ** 60),
  );
});
