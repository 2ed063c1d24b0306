import assert from 'node:assert/strict';
import { copyFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../../src/data/index.ts';
import { openSession, runBatches, type Tensor } from '../../../src/runtime/index.ts';
import type { ValueInfo } from '../../../src/signature/index.ts';
import { IDENTITY } from '../../support/small-models.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const FIXTURES = 'test/unit/data/datasets/fixtures';
const batch = (): Tensor => ({ type: 'float32', dims: [1, 3], data: Float32Array.of(1, 2, 3) });

/** A pass of two batches over a model file, which `act` changes between them. @returns the code that it ends with */
async function passWith(act: (path: string) => void): Promise<string | undefined> {
  const path = join(tempFolder(), 'm.onnx');
  writeFileSync(path, IDENTITY);
  const session = await openSession({ model: path, device: 'cpu', threads: 1 });
  async function* batches() {
    yield { images: [batch()], meta: 0 };
    act(path);
    yield { images: [batch()], meta: 1 };
  }
  try {
    const stage = { session, input: session.inputs[0] as ValueInfo, fetches: ['y'], images: 0 };
    let seen = 0;
    for await (const { meta } of runBatches([stage], batches())) assert.equal(meta, seen++);
    assert.equal(seen, 2);
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  } finally {
    await session.close();
  }
}

test('a model that is written to or replaced during a pass ends it: its hash and its graph would be of another file', async () => {
  assert.equal(await passWith(() => undefined), undefined);
  assert.equal(await passWith((path) => utimesSync(path, 1e9, 1e9)), 'INPUT_CHANGED');
  assert.equal(await passWith((path) => writeFileSync(path, 'short')), 'INPUT_CHANGED');
  const replaced = await passWith((path) => {
    copyFileSync(path, `${path}.new`);
    renameSync(`${path}.new`, path);
  });
  assert.equal(replaced, 'INPUT_CHANGED');
});

test('an array that is written to between two images is refused: rows of two states are no data set', async () => {
  const path = join(tempFolder(), 'images-u1.npy');
  copyFileSync(join(FIXTURES, 'images-u1.npy'), path);
  const dataset = await openDataset(path);
  try {
    await dataset.read(0);
    utimesSync(path, 1e9, 1e9);
    await assert.rejects(dataset.read(1), { code: 'INPUT_CHANGED' });
  } finally {
    await dataset.close();
  }
});
