import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import {
  combineMoments,
  emptyMoments,
  type Moments,
  momentsOfBatch,
  populationVariance,
} from '../../src/core/index.ts';

/** Integers, so that their moments can be had exactly from sums in BigInt: the second route. */
interface Exact {
  readonly mean: number;
  readonly variance: number;
}

/** A ratio of integers, right to the last bits of a float64. */
const ratio = (numerator: bigint, denominator: bigint): number => Number((numerator << 200n) / denominator) * 2 ** -200;

function exactMoments(values: readonly number[]): Exact {
  const n = BigInt(values.length);
  const [sum, squares] = values.reduce(([s, q], value) => [s + BigInt(value), q + BigInt(value) ** 2n], [0n, 0n] as [
    bigint,
    bigint,
  ]);
  return { mean: ratio(sum, n), variance: ratio(n * squares - sum * sum, n * n) };
}

/** One channel of one batch; its own moments are as good as float64 can hold them. */
function batch(values: readonly number[]): Moments {
  const { mean, variance } = exactMoments(values);
  return momentsOfBatch(values.length, Float64Array.of(mean), Float64Array.of(variance));
}

/** Cuts values before each of the given places. */
function split(values: readonly number[], cuts: readonly number[]): number[][] {
  const places = [...new Set(cuts.map((cut) => cut % values.length))].sort((a, b) => a - b);
  return [0, ...places].map((from, i) => values.slice(from, places[i])).filter(({ length }) => length > 0);
}

const fold = (parts: readonly Moments[]): Moments => parts.reduce(combineMoments, emptyMoments(1));
const bits = ({ count, mean, m2 }: Moments): string =>
  `${count} ${Buffer.from(mean.buffer).toString('hex')} ${Buffer.from(m2.buffer).toString('hex')}`;

/** Spread over ±2^20, so that an offset of 2^k is 2^(k-20) times the standard deviation or more. */
const values = fc.array(fc.integer({ min: -(2 ** 20), max: 2 ** 20 }), { minLength: 2, maxLength: 300 });
const cuts = fc.array(fc.nat(), { maxLength: 12 });

test('any split into batches gives the mean and variance of the whole', () => {
  fc.assert(
    fc.property(values, cuts, (whole, places) => {
      const exact = exactMoments(whole);
      const merged = fold(split(whole, places).map(batch));
      assert.equal(merged.count, whole.length);
      const variance = populationVariance(merged)[0] as number;
      assert.ok(Math.abs(variance - exact.variance) <= 1e-12 * exact.variance, `${variance} for ${exact.variance}`);
      const error = Math.abs((merged.mean[0] as number) - exact.mean);
      assert.ok(error <= 1e-12 * Math.sqrt(exact.variance + exact.mean ** 2), `mean off by ${error}`);
    }),
    { numRuns: 500 },
  );
});

test('an offset of 10^3 to 10^6 standard deviations costs the variance what rounding the means must cost', () => {
  let worst = 0;
  fc.assert(
    fc.property(values, cuts, fc.integer({ min: 3, max: 6 }), fc.boolean(), (whole, places, power, negative) => {
      const exact = exactMoments(whole);
      const offset = Math.round(Math.sqrt(exact.variance) * 10 ** power) * (negative ? -1 : 1);
      const merged = fold(
        split(
          whole.map((value) => value + offset),
          places,
        ).map(batch),
      );
      const variance = populationVariance(merged)[0] as number;
      const relative = exact.variance === 0 ? 0 : Math.abs(variance - exact.variance) / exact.variance;
      // A mean of r standard deviations is known to r·2^-53 of one; twice that in a squared difference.
      const bound = 1e-12 + 8 * 10 ** power * 2 ** -53;
      assert.ok(relative <= bound, `10^${power}: off by ${relative}`);
      worst = Math.max(worst, relative);
    }),
    { numRuns: 500 },
  );
  assert.ok(worst < 1e-9, `worst ${worst}`);
});

test('moments of nothing change no bit, wherever they are merged', () => {
  fc.assert(
    fc.property(values, cuts, fc.array(fc.nat(12)), (whole, places, empties) => {
      const parts = split(whole, places).map(batch);
      const expected = bits(fold(parts));
      const padded = [...parts];
      for (const place of empties) padded.splice(place, 0, emptyMoments(1));
      assert.equal(bits(fold(padded)), expected);
    }),
  );
});

test('the same parts in the same order give the same bits; order alone is worth roundings, no more', () => {
  let reordered = 0;
  fc.assert(
    fc.property(values, cuts, (whole, places) => {
      const parts = split(whole, places).map(batch);
      const forward = fold(parts);
      assert.equal(bits(fold(parts)), bits(forward));
      const backward = fold([...parts].reverse());
      const [a, b] = [populationVariance(forward)[0] as number, populationVariance(backward)[0] as number];
      assert.ok(Math.abs(a - b) <= 1e-12 * a);
      reordered += bits(forward) === bits(backward) ? 0 : 1;
    }),
  );
  assert.ok(reordered > 0, 'no case would notice another order');
});
