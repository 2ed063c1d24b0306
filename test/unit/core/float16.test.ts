import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeBfloat16,
  decodeFloat16,
  decodeFloat16s,
  encodeBfloat16,
  encodeFloat16,
  float16Table,
} from '../../../src/core/index.ts';

/** The neighbouring float64 of a positive finite value. */
function neighbour(value: number, step: 1n | -1n): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigUint64(0, view.getBigUint64(0) + step);
  return view.getFloat64(0);
}

/** Largest finite value, as (2 - 2^-fraction) * 2^bias, and what the next step above it would be. */
const FORMATS = [
  {
    name: 'binary16',
    decode: decodeFloat16,
    encode: encodeFloat16,
    infinity: 0x7c00,
    quiet: 0x7e00,
    smallest: 2 ** -24,
    afterLargest: 2 ** 16,
  },
  {
    name: 'bfloat16',
    decode: decodeBfloat16,
    encode: encodeBfloat16,
    infinity: 0x7f80,
    quiet: 0x7fc0,
    smallest: 2 ** -133,
    afterLargest: 2 ** 128,
  },
] as const;

for (const { name, decode, encode, infinity, quiet, smallest, afterLargest } of FORMATS) {
  test(`${name}: every bit pattern survives decoding and encoding, NaN becomes quiet`, () => {
    for (let bits = 0; bits < 65536; bits++) {
      const nan = (bits & 0x7fff) > infinity;
      if (nan) assert.ok(Number.isNaN(decode(bits)));
      assert.equal(encode(decode(bits)) & 0x7fff, nan ? quiet : bits & 0x7fff);
      if (!nan) assert.equal(encode(decode(bits)), bits);
    }
  });

  test(`${name}: ties go to even, and one float64 ulp off a tie goes to the nearer side, up to infinity`, () => {
    for (let bits = 0; bits < infinity; bits++) {
      const upper = bits + 1 === infinity ? afterLargest : decode(bits + 1);
      const tie = (decode(bits) + upper) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      for (const sign of [1, -1]) {
        const signBit = sign < 0 ? 0x8000 : 0;
        assert.equal(encode(sign * tie), signBit | even, `tie above ${bits}`);
        assert.equal(encode(sign * neighbour(tie, -1n)), signBit | bits, `below the tie above ${bits}`);
        assert.equal(encode(sign * neighbour(tie, 1n)), signBit | (bits + 1), `above the tie above ${bits}`);
      }
    }
  });

  test(`${name}: zeros keep their sign, magnitudes out of range end as zero or infinity`, () => {
    assert.equal(encode(-0), 0x8000);
    assert.equal(encode(Number.MIN_VALUE), 0);
    assert.equal(encode(-smallest / 2), 0x8000);
    assert.equal(encode(Number.MAX_VALUE), infinity);
    assert.equal(encode(Number.NEGATIVE_INFINITY), 0x8000 | infinity);
  });
}

test('binary16: known values', () => {
  assert.deepEqual([0x3c00, 0x3555, 0x7bff, 0x0400, 0x0001].map(decodeFloat16), [
    1,
    0.333251953125,
    65504,
    2 ** -14,
    2 ** -24,
  ]);
  assert.equal(float16Table().length, 65536);
});

test('bfloat16: decoding is the upper half of a float32', () => {
  const view = new DataView(new ArrayBuffer(4));
  for (let bits = 0; bits < 65536; bits++) {
    view.setUint32(0, bits * 65536);
    assert.ok(Object.is(decodeBfloat16(bits), view.getFloat32(0)));
  }
});

test('encoding does not go through float32: 1 + 2^-11 + 2^-40 is above a tie that float32 would make of it', () => {
  assert.equal(encodeFloat16(1 + 2 ** -11 + 2 ** -40), 0x3c01);
  assert.equal(encodeFloat16(Math.fround(1 + 2 ** -11 + 2 ** -40)), 0x3c00);
});

test('many bit patterns decode as each alone', () => {
  const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i);
  assert.deepEqual([...decodeFloat16s(bits)], [...bits].map(decodeFloat16));
});
