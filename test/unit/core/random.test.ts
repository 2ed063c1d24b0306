import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { philox4x32, random, streamKey } from '../../../src/core/index.ts';

const words = (seed: number, ...keys: (number | string)[]): number[] => {
  const stream = random(seed, ...keys);
  return Array.from({ length: 6 }, () => stream.uint32());
};

test("Philox gives Random123's known answers", () => {
  // kat_vectors of Random123 1.14: philox4x32, 10 rounds.
  const answers: [[number, number, number, number], [number, number], number[]][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [counter, key, expected] of answers) {
    const out = new Uint32Array(4);
    philox4x32(counter, key, out);
    assert.deepEqual([...out], expected);
  }
});

test('a stream depends on seed and keys alone, and each of them changes it', () => {
  const other = random(1, 'noise');
  const first = words(1, 'a', 0);
  other.uint32();
  assert.deepEqual(words(1, 'a', 0), first);
  for (const different of [words(2, 'a', 0), words(1, 'b', 0), words(1, 'a', 1), words(1, 'a'), words(1, 'a', '0')]) {
    assert.notDeepEqual(different, first);
  }
});

test('the stream is the documented one, as Python computes it from the same words', () => {
  // hashlib.sha256 of json.dumps([42, 'train/é.jpg', 3], …), then Philox in Python integers.
  const expected = [2915575589, 1250923103, 4009935009, 3217483290, 3582362641, 2214894030];
  assert.deepEqual(words(42, 'train/é.jpg', 3), expected);
  assert.equal(random(42, 'train/é.jpg', 3).float(), 0.6788353420142325);
});

test('floats and bounded integers are uniform', () => {
  const stream = random(7, 'uniform');
  const counts = new Array<number>(6).fill(0);
  let [sum, squares] = [0, 0];
  const n = 60000;
  for (let i = 0; i < n; i++) {
    const k = stream.below(6);
    counts[k] = (counts[k] as number) + 1;
    const x = stream.float();
    assert.ok(x >= 0 && x < 1);
    sum += x;
    squares += x * x;
  }
  const chiSquare = counts.reduce((total, count) => total + (count - n / 6) ** 2 / (n / 6), 0);
  assert.ok(chiSquare < 20.5, `chi-square ${chiSquare}, 5 degrees of freedom, p = 0.001`);
  assert.ok(Math.abs(sum / n - 0.5) < 0.005 && Math.abs(squares / n - 1 / 3) < 0.005);
  // 2^32 mod n is n / 3 here: without drawing again, the first third would come up half the time.
  const third = Array.from({ length: 6000 }, () => stream.below(3 * 2 ** 30)).filter((k) => k < 2 ** 30).length;
  assert.ok(Math.abs(third / 6000 - 1 / 3) < 0.025, `${third} of 6000`);
  assert.equal(random(1).below(1), 0);
  assert.ok(random(1).below(2 ** 32) < 2 ** 32);
});

test("a stream's key is what the generator runs under: the first eight bytes of the hash of its seed and keys", () => {
  const key = streamKey(7, 'aä', 2);
  const out = new Uint32Array(4);
  const hash = createHash('sha256').update('[7,"aä",2]').digest();
  assert.equal(key, hash.readBigUInt64LE(0));
  philox4x32([0, 0, hash.readUInt32LE(8), hash.readUInt32LE(12)], [Number(key & 0xffffffffn), Number(key >> 32n)], out);
  const stream = random(7, 'aä', 2);
  assert.deepEqual(
    [...out],
    [0, 1, 2, 3].map(() => stream.uint32()),
  );
});
