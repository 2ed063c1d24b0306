import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import {
  memorySource,
  openAtomic,
  openSafetensors,
  type SafetensorsTensor,
  type SafetensorsType,
  TemperError,
  writeSafetensors,
} from '../../src/core/index.ts';
import { mutateBytes, seededInts } from '../support/mutate-bytes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const folder = tempFolder();

function write(tensors: readonly SafetensorsTensor[], metadata: ReadonlyMap<string, string>): Buffer {
  const path = join(folder, 'x.safetensors');
  const file = openAtomic(path);
  writeSafetensors(file, tensors, metadata);
  file.publish({ force: true });
  return readFileSync(path);
}

const SIZES: Readonly<Record<SafetensorsType, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F16: 2,
  BF16: 2,
  U16: 2,
  I16: 2,
  F32: 4,
  U32: 4,
  I32: 4,
  F64: 8,
  U64: 8,
  I64: 8,
};

const tensor = fc
  .record({
    name: fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('0', '__proto__', 'constructor', 'a.b')),
    dtype: fc.constantFrom(...(Object.keys(SIZES) as SafetensorsType[])),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
  })
  .filter(({ name }) => name !== '__metadata__')
  .chain(({ name, dtype, shape }) => {
    const bytes = shape.reduce((a, b) => a * b, 1) * SIZES[dtype];
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((data) => ({ name, dtype, shape, data }));
  });
const tensors = fc.uniqueArray(tensor, { maxLength: 8, selector: ({ name }) => name });
const metadata = fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' }), { maxKeys: 4 });

test('any tensors and metadata come back, whole and row by row', () => {
  fc.assert(
    fc.property(tensors, metadata, (given, notes) => {
      const file = openSafetensors(memorySource(write(given, new Map(Object.entries(notes)))));
      assert.deepEqual(Object.fromEntries(file.metadata), { ...notes });
      assert.equal(file.tensors.size, given.length);
      for (const { name, dtype, shape, data } of given) {
        const entry = file.tensors.get(name);
        assert.deepEqual([entry?.dtype, entry?.shape], [dtype, shape]);
        const rows = Array.from({ length: shape[0] ?? 1 }, (_, row) => file.read(name, row, row + 1));
        for (const parts of [[file.read(name)], rows]) {
          const bytes = parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
          assert.deepEqual(Uint8Array.from(Buffer.concat(bytes)), data);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('a file with bytes changed, cut, moved or put in is read or refused with a typed error', () => {
  const bytes = write(
    [
      { name: 'a', dtype: 'F32', shape: [3, 2], data: new Float32Array(6) },
      { name: 'b', dtype: 'I64', shape: [2], data: new BigInt64Array(2) },
      { name: 'c', dtype: 'U8', shape: [5, 1], data: new Uint8Array(5) },
    ],
    new Map([['run', '{"a":1}']]),
  );
  const places = Array.from({ length: bytes.length - 45 }, (_, at) => at);
  const outcomes: Record<string, number> = {};
  for (let seed = 0; seed < 20_000; seed++) {
    const mutated = mutateBytes(bytes, seededInts(seed), places);
    try {
      const file = openSafetensors(memorySource(mutated.bytes));
      for (const name of file.tensors.keys()) file.read(name);
      outcomes.read = (outcomes.read ?? 0) + 1;
    } catch (error) {
      assert.ok(error instanceof TemperError, `seed ${seed}, ${mutated.what}: ${(error as Error).stack}`);
      outcomes[error.code] = (outcomes[error.code] ?? 0) + 1;
    }
  }
  for (const code of ['read', 'FORMAT_MALFORMED', 'FORMAT_TRUNCATED', 'FORMAT_LIMIT', 'UNSUPPORTED_DATA_TYPE']) {
    assert.ok((outcomes[code] ?? 0) > 10, `${code}: ${JSON.stringify(outcomes)}`);
  }
});
