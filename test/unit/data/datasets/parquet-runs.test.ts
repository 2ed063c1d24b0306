import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { TemperError } from '../../../../src/core/index.ts';
import { assertPageV1, assertValuesV2 } from '../../../../src/data/datasets/parquet-runs.ts';
import { openDataset } from '../../../../src/data/index.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const FLAT = { repetition: 0, definition: 0 };
const OPTIONAL = { repetition: 0, definition: 1 };
const codes = (values: number) => ({ values, encoding: 'RLE_DICTIONARY', isBoolean: false });
const prefixed = (...runs: number[]): number[] => [runs.length, 0, 0, 0, ...runs];

test('runs that hold as many values as the page are believed, whatever their form', () => {
  // Width 3; 5 times the same; eight packed, of which three count.
  assertPageV1(Uint8Array.of(3, 5 << 1, 7, 3, 1, 2, 3), FLAT, codes(8));
  assertPageV1(Uint8Array.of(...prefixed(8 << 1, 1), 0, 8 << 1), OPTIONAL, codes(8));
  assertValuesV2(Uint8Array.of(1, 3, 0xff), codes(8));
  // Runs of none end with their bytes.
  assertPageV1(Uint8Array.of(3, 0, 1, 0, 1, 0, 1), FLAT, codes(8));
});

test('a run that claims more values than are left, or bytes that are not there, is refused before anyone counts to it', () => {
  for (const [page, what] of [
    [[3, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1], /a run of 2147483647 values, 8 are left/],
    [[0, 0xff, 0xff, 0xff, 0xff, 0x0f], /a run of 17179869176 values/],
    [[3, 5 << 1, 7, 5 << 1, 7], /a run of 5 values, 3 are left/],
    [[3, 5 << 1], /beyond its page/],
    [[40, 2, 1], /values of 40 bits/],
    [[3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], /more than 32 bits/],
  ] as const) {
    assert.throws(() => assertPageV1(Uint8Array.from(page), FLAT, codes(8)), what);
  }
  assert.throws(() => assertPageV1(Uint8Array.of(9, 0, 0, 0, 1), OPTIONAL, codes(8)), /levels of 9 bytes, 1 are left/);
  const delta = { values: 8, encoding: 'DELTA_BINARY_PACKED', isBoolean: false };
  assertValuesV2(Uint8Array.of(128, 1, 4, 8, 0), delta);
  assert.throws(() => assertValuesV2(Uint8Array.of(128, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 8), delta), /parts/);
});

const root = tempFolder();
/** Labels with nulls in many row groups: each page has levels. */
function labelled(name: string, groups: number): string {
  const rows = Array.from({ length: 10 * groups }, (_, i) => i);
  const path = join(root, name);
  writeFileSync(
    path,
    new Uint8Array(
      parquetWriteBuffer({
        rowGroupSize: 10,
        codec: 'UNCOMPRESSED',
        columnData: [
          { name: 'image', data: rows.map((i) => Uint8Array.of(i)), type: 'BYTE_ARRAY' },
          { name: 'label', data: rows.map((i) => i % 3), type: 'INT32', nullable: true },
        ],
      }),
    ),
  );
  return path;
}

test('every byte of a small file changed: an answer or a typed error, in bounded time and memory', async () => {
  const path = labelled('one.parquet', 1);
  const whole = readFileSync(path);
  const changed = join(root, 'changed.parquet');
  for (let at = 4; at < whole.length - 8; at++) {
    for (const value of [0xff, 0x7f]) {
      const bytes = Buffer.from(whole);
      bytes[at] = value;
      writeFileSync(changed, bytes);
      try {
        const table = await openDataset(changed);
        await table.read(0);
        await table.close();
      } catch (error) {
        assert.ok(error instanceof TemperError, `byte ${at}: ${error}`);
      }
    }
  }
});

test('reading labels gives other work its turn, and stops when it is told to', async () => {
  const path = labelled('many.parquet', 200);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await openDataset(path);
  clearInterval(timer);
  assert.ok(turns > 1, `${turns} turns`);
  const controller = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => controller.abort(reason), 5);
  await assert.rejects(openDataset(path, { signal: controller.signal }), reason);
});
