import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFile, openSafetensors, TemperError } from '../../../../src/core/index.ts';
import { openStore, verifyStore } from '../../../../src/distill/index.ts';
import { makeStore, storeRun } from '../../../support/target-store.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();

/** What verify says: problems, or the error with which it gives up. */
async function problemsOf(folder: string): Promise<string[]> {
  try {
    return (await verifyStore(folder)).problems.map(({ message }) => message);
  } catch (error) {
    assert.ok(error instanceof TemperError, String(error));
    return [error.message];
  }
}

/** Bytes that stand for all of a file: of arrays the header's length, text and padding and each column's ends; of text every `step`-th. */
function regions(path: string, step: number): number[] {
  const size = readFileSync(path).length;
  if (!path.endsWith('.safetensors')) return Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
  const source = openFile(path);
  try {
    const columns = [...openSafetensors(source).tensors.values()];
    const data = Math.min(...columns.map(({ offset }) => offset));
    return [0, 7, 8, data >> 1, data - 1, ...columns.flatMap(({ offset, bytes }) => [offset, offset + bytes - 1])];
  } finally {
    source.close();
  }
}

test('a flipped bit in any region of any file is found', async () => {
  const folder = await makeStore(root, 'flipped', storeRun({ rows_per_part: 12, kind: 'top_k', top_k: 3 }));
  assert.deepEqual(await problemsOf(folder), []);
  let flips = 0;
  for (const file of ['manifest.json', ...Object.keys(openStore(folder).manifest.files)]) {
    const path = join(folder, file);
    const bytes = readFileSync(path);
    for (const at of regions(path, file === 'manifest.json' ? 97 : 211)) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ (1 << (at % 8));
      writeFileSync(path, damaged);
      assert.notDeepEqual(await problemsOf(folder), [], `${file}: byte ${at}`);
      flips++;
    }
    writeFileSync(path, bytes);
  }
  assert.ok(flips > 150, String(flips));
  assert.deepEqual(await problemsOf(folder), []);
});

test('files that are cut, longer or gone are each named, and checking goes on', async () => {
  const folder = await makeStore(root, 'cut');
  truncateSync(join(folder, 'teachers/0/part-00001-of-00004.safetensors'), 100);
  appendFileSync(join(folder, 'views/part-00002-of-00004.safetensors'), 'x');
  rmSync(join(folder, 'teachers/1/part-00003-of-00004.safetensors'));
  const problems = await problemsOf(folder);
  assert.equal(problems.length, 3, problems.join('\n'));
  assert.match(problems[0] ?? '', /teachers\/0\/part-00001.*: 100 bytes, expected \d+/);
  assert.match(problems[1] ?? '', /views\/part-00002.*bytes, expected/);
  assert.match(problems[2] ?? '', /teachers\/1\/part-00003.*no such file/);
});

test('a lost sidecar is told beside the problems of later parts', async () => {
  const folder = await makeStore(root, 'sidecar');
  rmSync(join(folder, 'parts/part-00000-of-00004.json'));
  truncateSync(join(folder, 'views/part-00003-of-00004.safetensors'), 64);
  const problems = await problemsOf(folder);
  assert.ok(problems.some((text) => /parts\/part-00000.*no such file/.test(text)));
  assert.ok(problems.some((text) => /views\/part-00003.*64 bytes/.test(text)));
});
