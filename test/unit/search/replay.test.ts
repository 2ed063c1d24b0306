import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replay } from '../../../src/search/replay.ts';

function source(batches: number) {
  let loads = 0;
  return {
    get loads() {
      return loads;
    },
    load: async function* () {
      loads++;
      for (let i = 0; i < batches; i++) yield Float32Array.of(i, i, i, i);
    },
    arraysOf: (item: Float32Array) => [item],
    copy: (item: Float32Array) => item.slice(),
  };
}
async function sums(pass: AsyncIterable<Float32Array>): Promise<number[]> {
  const found: number[] = [];
  for await (const item of pass) {
    found.push(item[0] as number);
    // What onnxruntime's thread takes over is gone.
    structuredClone(item, { transfer: [item.buffer as ArrayBuffer] });
  }
  return found;
}

test('what fits is loaded once, and every pass may consume its items', async () => {
  const from = source(3);
  const kept = await replay({ ...from, limitBytes: 48 });
  assert.deepEqual(
    [await sums(kept.pass()), await sums(kept.pass())],
    [
      [0, 1, 2],
      [0, 1, 2],
    ],
  );
  assert.deepEqual([kept.kept, kept.bytes, from.loads], [true, 48, 1]);
});

test('what does not fit is loaded for every pass and nothing is kept', async () => {
  const from = source(3);
  const streamed = await replay({ ...from, limitBytes: 47 });
  assert.deepEqual(
    [await sums(streamed.pass()), await sums(streamed.pass())],
    [
      [0, 1, 2],
      [0, 1, 2],
    ],
  );
  assert.deepEqual([streamed.kept, streamed.bytes, from.loads], [false, 0, 3]);
});

test('the hash is that of the values', async () => {
  const [a, b] = [source(2), source(3)];
  const hash = async (from: typeof a) => (await replay({ ...from, limitBytes: 1e6 })).sha256;
  assert.equal(await hash(a), await hash(source(2)));
  assert.notEqual(await hash(a), await hash(b));
});
