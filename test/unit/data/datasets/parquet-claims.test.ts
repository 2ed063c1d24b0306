import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parquetMetadata } from 'hyparquet';
import { TemperError } from '../../../../src/core/index.ts';
import { assertFooter, assertGroupPages } from '../../../../src/data/datasets/parquet-claims.ts';
import { openDataset } from '../../../../src/data/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const FIXTURES = 'test/unit/data/datasets/fixtures';
const NAMES = ['huggingface.parquet', 'pyarrow-paged.parquet', 'pyarrow-zstd.parquet'];

const bytesOf = (name: string): ArrayBuffer => {
  const bytes = readFileSync(join(FIXTURES, name));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
};

test('what pyarrow and Hugging Face write is believed', async () => {
  for (const name of NAMES) {
    const file = bytesOf(name);
    const metadata = parquetMetadata(file);
    assertFooter(name, file.byteLength, metadata);
    const buffer = { byteLength: file.byteLength, slice: (start: number, end?: number) => file.slice(start, end) };
    for (const group of metadata.row_groups) await assertGroupPages(name, buffer, group, metadata.schema);
  }
});

test('more rows than bytes, chunks outside of the file and sums that disagree are refused on the footer alone', () => {
  const file = bytesOf('huggingface.parquet');
  const metadata = parquetMetadata(file);
  const [group] = metadata.row_groups;
  const [chunk] = group?.columns ?? [];
  assert.ok(group && chunk?.meta_data);
  const changed = (groups: readonly object[], rows = metadata.num_rows) =>
    assertFooter('f', file.byteLength, {
      ...metadata,
      num_rows: rows,
      row_groups: groups as typeof metadata.row_groups,
    });
  assertFails(() => changed([{ ...group, num_rows: 2n ** 27n }]), 'FORMAT_LIMIT');
  assertFails(() => changed([{ ...group, num_rows: -1n }]), 'FORMAT_MALFORMED');
  assertFails(() => changed(metadata.row_groups, metadata.num_rows + 1n), 'FORMAT_MALFORMED');
  for (const [field, value] of [
    ['total_compressed_size', 2n ** 62n],
    ['total_compressed_size', -5n],
    ['data_page_offset', -1n],
    ['data_page_offset', 2n ** 40n],
  ] as const) {
    const meta = { ...chunk.meta_data, dictionary_page_offset: undefined, [field]: value };
    assertFails(() => changed([{ ...group, columns: [{ ...chunk, meta_data: meta }] }]), 'FORMAT_MALFORMED');
  }
  const columns = [{ ...chunk, offset_index_offset: 2n ** 40n, offset_index_length: 10 }];
  assertFails(() => changed([{ ...group, columns }]), 'FORMAT_MALFORMED');
});

test('a page that claims negative or too many bytes or values is an error, not an endless loop', async () => {
  const file = bytesOf('pyarrow-zstd.parquet');
  const metadata = parquetMetadata(file);
  const folder = tempFolder();
  let refused = 0;
  for (const { meta_data: meta } of metadata.row_groups.flatMap(({ columns }) => columns)) {
    const start = Number(meta?.dictionary_page_offset || meta?.data_page_offset);
    // Every number of a page header is a varint within its first bytes: zigzag, so that odd ones are negative.
    for (let at = start; at < start + 12; at++) {
      for (const varint of [[0xff, 0xff, 0xff, 0xff, 0x0f], [0x65], [0xfe, 0xff, 0xff, 0xff, 0x0f]]) {
        const damaged = new Uint8Array(file.slice(0));
        damaged.set(varint, at);
        const path = join(folder, 'damaged.parquet');
        writeFileSync(path, damaged);
        try {
          const table = await openDataset(path);
          for (let row = 0; row < table.length; row++) await table.read(row);
          await table.close();
        } catch (error) {
          assert.ok(error instanceof TemperError, String(error));
          assert.equal(error.exitCode, 4, error.message);
          refused++;
        }
      }
    }
  }
  assert.ok(refused > 20, `${refused} refused`);
});
