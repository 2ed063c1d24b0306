import assert from 'node:assert/strict';
import fs, { mkdirSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { mock, test } from 'node:test';
import { type DataOptions, openData, rowsHash } from '../../../src/data/index.ts';
import { readParts, splitOf } from '../../../src/finish/split.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const source = join(tempFolder(), 'val');
for (const [label, images] of [3, 4, 6].entries()) {
  mkdirSync(join(source, `class-${label}`), { recursive: true });
  for (let i = 0; i < images; i++) writeFileSync(join(source, `class-${label}`, `${i}.png`), '');
}

test('a set is opened once for all its parts, which are the rows that jobs read by the same halves', async () => {
  const split = splitOf({ val: { source }, test: undefined, seed: 3 });
  const reads = mock.method(fs, 'readdirSync');
  syncBuiltinESMExports();
  const timesRead = () => reads.mock.calls.filter(({ arguments: [path] }) => path === source).length;
  const named = { choosing: split.choosing, judging: split.judging, reporting: split.reporting };
  const halves = Object.fromEntries(Object.entries(named).map(([name, { parts = [] }]) => [name, parts]));
  const { images, parts } = await readParts({ source }, halves, { labelled: true, as: 'val' });
  const opened = timesRead();
  reads.mock.resetCalls();
  await (await openData({ source }, { labelled: true })).dataset.close();
  const once = timesRead();
  reads.mock.restore();
  syncBuiltinESMExports();
  assert.equal(opened, once);
  assert.equal(images, 13);
  for (const [name, data] of Object.entries<DataOptions>(named)) {
    const { dataset, rows } = await openData(data, { labelled: true });
    const { images: own, rowsSha256, tableSha256, keys = [] } = parts[name] ?? {};
    assert.deepEqual([own, rowsSha256, tableSha256], [rows.length, rowsHash(rows), dataset.tableHash()], name);
    assert.deepEqual(
      keys,
      Array.from(rows, (row) => dataset.sample(row).key),
    );
    await dataset.close();
  }
});
