import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { beginHashing, hashedWhileRead, ownShare } from '../../../src/average/hash-while-read.ts';
import { type ByteSource, type FileSource, openFile, readBytes } from '../../../src/core/index.ts';
import { type Model, openModel, readPayload } from '../../../src/onnx/index.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const SIZE = 40 << 20;
const path = join(tempFolder(), 'bytes');
writeFileSync(path, Buffer.from(Uint8Array.from({ length: SIZE }, (_, i) => (i * i) >> 7)));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const sha256OfSource = (source: ByteSource): string => sha256(readBytes(source, 0, source.size));

/** A file that counts the bytes that are read of it. */
function counting(file: FileSource): FileSource & { readonly read: () => number } {
  let read = 0;
  return {
    ...file,
    read: () => read,
    readInto(into, offset) {
      read += into.length;
      file.readInto(into, offset);
    },
  };
}

test('a file has its SHA-256 whatever was read of it before, in whatever order, and readers get its bytes', () => {
  const file = openFile(path);
  const whole = new Uint8Array(SIZE);
  file.readInto(whole, 0);
  const expected = sha256(whole);
  const spans = fc.array(fc.tuple(fc.nat(SIZE - 1), fc.oneof(fc.nat(70_000), fc.nat(20 << 20))), { maxLength: 6 });
  fc.assert(
    fc.property(spans, (reads) => {
      const hashed = hashedWhileRead(file);
      for (const [start, length] of reads) {
        const into = new Uint8Array(Math.min(length, SIZE - start));
        hashed.readInto(into, start);
        assert.ok(Buffer.from(into.buffer).equals(whole.subarray(start, start + into.length)));
      }
      assert.equal(hashed.sha256(), expected);
    }),
    {
      numRuns: 15,
      examples: [
        [[]],
        [[[0, SIZE]]],
        [[[SIZE - 5, 5]]],
        [
          [
            [100, 50],
            [100, 50],
            [0, 10],
            [120, 90],
          ],
        ],
      ],
    },
  );
  file.close();
});

test('what is read from the beginning to the end, with gaps, is read once', () => {
  const file = counting(openFile(path));
  const hashed = hashedWhileRead(file);
  for (let at = 10; at < SIZE; at += 1 << 20) hashed.readInto(new Uint8Array(Math.min(1 << 19, SIZE - at)), at);
  hashed.sha256();
  assert.equal(file.read(), SIZE);
  file.close();
});

test('the thread that sums hashes all where no other does, fewer the more there are or the more it writes, and never more than there are', () => {
  assert.equal(ownShare(8, 1, 0), 8);
  assert.equal(ownShare(8, 1, 1), 3);
  assert.equal(ownShare(8, 4, 1), 1);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 4 }),
      (n, rows, workers) => {
        const own = ownShare(n, rows, workers);
        assert.ok(Number.isInteger(own) && own >= 0 && own <= n);
        assert.ok(ownShare(n, rows + 1, workers) <= own && ownShare(n, rows, workers + 1) <= own);
      },
    ),
  );
});

test('large models are hashed by threads too, where nobody could know beforehand that they are large', async () => {
  const opened = [openModel(SNAPSHOTS[0] as string), openModel(SNAPSHOTS[1] as string)];
  const files = [path, path].map((name) => counting(openFile(name)));
  // As with external data: models that are small, and files that are not.
  const models = opened.map((model, i) => ({
    ...model,
    externalLocations: ['bytes'],
    external: () => files[i] as FileSource,
  }));
  const { hashing } = beginHashing(models, 1, []);
  const digests = await hashing.finish();
  assert.equal(digests.length, 4);
  assert.equal(digests[1], digests[3]);
  assert.deepEqual(
    files.map((file) => file.read()),
    [0, 0],
    'threads read by descriptor',
  );
  for (const file of [...opened, ...files]) file.close();
});

test('digests are in the order of the files, some hashed here while they are read and the others by threads', async () => {
  const opened = SNAPSHOTS.slice(0, 8).map((name) => openModel(name));
  const other = join(dirname(path), 'other');
  writeFileSync(other, Buffer.alloc(SIZE, 'other'));
  const files = opened.map((_, i) => counting(openFile(i % 3 === 0 ? other : path)));
  const { models, hashing } = beginHashing(
    opened.map((model, i) => ({ ...model, externalLocations: ['data'], external: () => files[i] as FileSource })),
    1,
    [],
  );
  for (const model of models) model.external('data').readInto(new Uint8Array(1000), 0);
  const wholes = [...opened.map(({ source }) => source), ...[path, other].map(openFile)].map(sha256OfSource);
  const digests = await hashing.finish();
  const expected = opened.flatMap((_, i) => [wholes[i], wholes[i % 3 === 0 ? 9 : 8]]);
  assert.deepEqual(digests, expected);
  const read = files.map((file) => file.read());
  assert.deepEqual(read, [SIZE, SIZE, SIZE, 1000, 1000, 1000, 1000, 1000]);
  for (const file of [...opened, ...files]) file.close();
});

test('models that are all hashed here have their digests in the order given, and their tensors as they are', async () => {
  const opened = SNAPSHOTS.slice(0, 5).map((name) => openModel(name));
  const { models, hashing } = beginHashing(opened, 1, []);
  const first = (model: Model): Uint8Array => readPayload(model, model.record.graph.initializers[3] as never);
  assert.deepEqual(models.map(first), opened.map(first));
  const expected = opened.map(({ source }) => sha256OfSource(source));
  assert.deepEqual(await hashing.finish(), expected);
  for (const model of opened) model.close();
});
