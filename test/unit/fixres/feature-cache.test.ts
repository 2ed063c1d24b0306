import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { featureCache } from '../../../src/fixres/train/feature-cache.ts';
import type { Tensor } from '../../../src/runtime/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { bits16 } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const ROWS = 7;
/** Row r of `a` is [10 r, 10 r + 1], of `b` [r]. */
const batch = (from: number, to: number): Record<string, Tensor> => {
  const rows = Array.from({ length: to - from }, (_, i) => from + i);
  return {
    a: { type: 'float32', dims: [rows.length, 2], data: Float32Array.from(rows.flatMap((r) => [10 * r, 10 * r + 1])) },
    b: { type: 'float32', dims: [rows.length, 1, 1], data: Float32Array.from(rows) },
  };
};

for (const [where, memoryBytes, onDisk] of [
  ['memory', 1000, 0],
  ['disk', 0, 7],
  // 12 bytes a row: three of them fit.
  ['memory and disk', 40, 4],
] as const) {
  test(`rows come back from ${where} in the order asked for; no file is left`, () => {
    const cache = featureCache({ names: ['a', 'b'], memoryBytes, folder, expectedRows: ROWS });
    cache.append(batch(0, 3), 3);
    cache.append(batch(3, 7), 4);
    assert.deepEqual([cache.rows, cache.rowBytes, cache.diskBytes], [7, 12, 12 * onDisk]);
    const { a, b } = cache.gather([6, 0, 3, 3]);
    assert.deepEqual(
      [a?.dims, [...(a!.data as Float32Array)]],
      [
        [4, 2],
        [60, 61, 0, 1, 30, 31, 30, 31],
      ],
    );
    assert.deepEqual(
      [b?.dims, [...(b!.data as Float32Array)]],
      [
        [4, 1, 1],
        [6, 0, 3, 3],
      ],
    );
    // Where open files can be removed, the name is gone at once: a kill leaves nothing.
    if (process.platform !== 'win32') assert.deepEqual(readdirSync(folder), []);
    cache.close();
    assert.deepEqual(readdirSync(folder), []);
  });
}

test('float16 values are decoded', () => {
  const cache = featureCache({ names: ['h'], memoryBytes: 100, folder, expectedRows: 1 });
  const data = Uint16Array.from([0.5, -3], (value) => bits16('float16', value));
  cache.append({ h: { type: 'float16', dims: [1, 2], data } }, 1);
  assert.deepEqual([...(cache.gather([0]).h!.data as Float32Array)], [0.5, -3]);
});

test('a value that is not one row an image, of one size, is refused', () => {
  const cache = featureCache({ names: ['a', 'b'], memoryBytes: 100, folder, expectedRows: 4 });
  cache.append(batch(0, 2), 2);
  assert.match(
    assertFails(() => cache.append(batch(0, 2), 3), 'EXECUTION_OUTPUT').message,
    /a at the cut is \[2, 2\] for 3 images/,
  );
  const other = { ...batch(0, 2), b: { type: 'float32', dims: [2, 2], data: new Float32Array(4) } as Tensor };
  assertFails(() => cache.append(other, 2), 'EXECUTION_OUTPUT');
  const ints = { type: 'int64', dims: [1, 1], data: new BigInt64Array(1) } as Tensor;
  const whole = featureCache({ names: ['i'], memoryBytes: 100, folder, expectedRows: 1 });
  assertFails(() => whole.append({ i: ints }, 1), 'UNSUPPORTED_DATA_TYPE');
});

test('what the disk cannot hold is refused with the first batch; a folder that is missing, too', () => {
  const cache = featureCache({ names: ['a', 'b'], memoryBytes: 0, folder, expectedRows: 2 ** 50 });
  const { message, hint } = assertFails(() => cache.append(batch(0, 1), 1), 'OUTPUT_WRITE');
  assert.match(`${message} ${hint}`, /MiB on disk, \d+ MiB are free .*`mode` fc/);
  const nowhere = featureCache({ names: ['a', 'b'], memoryBytes: 0, folder: join(folder, 'none'), expectedRows: 1 });
  assertFails(() => nowhere.append(batch(0, 1), 1), 'OUTPUT_WRITE');
});
