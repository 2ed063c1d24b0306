import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { blockKernel } from '../../src/average/kernel/block-kernel.ts';

/** value = mantissa · 2^exponent, exactly. */
function exact(value: number): { mantissa: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 2047n);
  const fraction = bits & ((1n << 52n) - 1n);
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  return { mantissa: bits >> 63n ? -mantissa : mantissa, exponent: Math.max(biased, 1) - 1075 };
}

/** In units of 2^-2200: every product of two float64 is a whole number of them. */
const UNIT = 2200;
const scaled = ({ mantissa, exponent }: { mantissa: bigint; exponent: number }): bigint =>
  mantissa << BigInt(exponent + UNIT);
const abs = (x: bigint): bigint => (x < 0n ? -x : x);

/** The distance of `found` from (Σ n·x) / d, is it at most `ulps` units in the last place of `found`? By integers. */
function within(ulps: bigint, found: number, xs: readonly number[], ns: readonly number[], d: number): boolean {
  const sum = xs.reduce((total, x, k) => {
    const [a, b] = [exact(x), exact(ns[k] as number)];
    return total + scaled({ mantissa: a.mantissa * b.mantissa, exponent: a.exponent + b.exponent });
  }, 0n);
  const f = exact(found);
  const e = exact(d);
  const back = scaled({ mantissa: f.mantissa * e.mantissa, exponent: f.exponent + e.exponent });
  const ulp = scaled({ mantissa: abs(e.mantissa), exponent: f.exponent + e.exponent });
  return abs(back - sum) <= ulps * ulp;
}

function averageOne(xs: readonly number[], ns: readonly number[], d: number): number {
  const output = new Float64Array(1);
  const inputs = xs.map((x) => new Uint8Array(Float64Array.of(x).buffer));
  blockKernel([{ coefficients: ns, divisor: d }], 'float64', 'float64')(inputs, [new Uint8Array(output.buffer)], 1);
  return output[0] as number;
}

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const weight = fc.double({ min: 2 ** -30, max: 1, noNaN: true });

test('float64: a uniform mean of same-signed values of any magnitude is within 1 ulp of the exact one', () => {
  fc.assert(
    fc.property(fc.array(finite.map(Math.abs), { minLength: 1, maxLength: 20 }), fc.boolean(), (values, negative) => {
      const xs = values.map((x) => (negative ? -x : x));
      const ns = xs.map(() => 1);
      assert.ok(within(1n, averageOne(xs, ns, xs.length), xs, ns, xs.length));
    }),
    { numRuns: 2000 },
  );
});

test('float64: a weighted mean of same-signed values is within 1 ulp of the exact one', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(finite.map(Math.abs), weight), { minLength: 1, maxLength: 12 }), (terms) => {
      const [xs, ns] = [terms.map(([x]) => x), terms.map(([, n]) => n)];
      const d = ns.reduce((sum, n) => sum + n, 0);
      assert.ok(within(1n, averageOne(xs, ns, d), xs, ns, d));
    }),
    { numRuns: 2000 },
  );
});

test('float64: values of both signs, unless they cancel to less than 2^-30 of their size', () => {
  const x = fc.double({ min: -10, max: 10, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(x, weight), { minLength: 2, maxLength: 12 }), (terms) => {
      const [xs, ns] = [terms.map(([value]) => value), terms.map(([, n]) => n)];
      const sizes = xs.map((value, k) => Math.abs(value * (ns[k] as number)));
      // Rows are means, Σn = d: the kernel copies a block on which all snapshots agree.
      const d = ns.reduce((sum, n) => sum + n, 0);
      const found = averageOne(xs, ns, d);
      fc.pre(Math.abs(found * d) > 2 ** -30 * sizes.reduce((sum, size) => sum + size, 0));
      assert.ok(within(1n, found, xs, ns, d));
    }),
    { numRuns: 2000 },
  );
});

test('float64: the mean of the largest values does not overflow', () => {
  const largest = Number.MAX_VALUE;
  assert.equal(averageOne([largest, largest * (1 - 2 ** -53), largest], [1, 1, 1], 3), largest);
});
