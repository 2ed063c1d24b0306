import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeAxis } from '../../../../src/report/charts/axis.ts';
import type { Axis } from '../../../../src/report/index.ts';

const labels = (axis: Omit<Axis, 'label'>, values: readonly number[], options = { count: 5 }): string[] =>
  placeAxis({ label: '', ...axis }, values, [0, 100], options).ticks.map(({ label }) => label);

test('fractions on a percent axis have ticks in percent', () => {
  assert.deepEqual(labels({ percent: true }, [0.8, 0.9]), ['80', '82', '84', '86', '88', '90']);
  assert.deepEqual(labels({ percent: true }, [0.8801, 0.8812]), ['88.02', '88.04', '88.06', '88.08', '88.10', '88.12']);
});

test('a logarithmic axis has ticks at 1, 2, 5 or at powers of ten; zero has no place', () => {
  assert.deepEqual(labels({ scale: 'log' }, [0.5, 2]), ['0.5', '1', '2']);
  assert.deepEqual(labels({ scale: 'log' }, [1, 1e6]), ['1', '10', '100', '1000', '10000', '100000', '1000000']);
  const axis = placeAxis({ label: '', scale: 'log' }, [1, 100], [0, 100], { count: 5 });
  assert.ok(Number.isNaN(axis.at(0)));
  assert.ok(Math.abs(axis.at(10) - 50) < 1e-9);
});

test('decays: equal factors of 1 - decay are equal distances, larger decays to the right', () => {
  const { at, ticks } = placeAxis({ label: '', scale: 'decay' }, [0, 0.999], [0, 300], { count: 5 });
  assert.ok(Math.abs(at(0.99) - at(0.9) - (at(0.999) - at(0.99))) < 1e-9);
  assert.ok(at(0) < at(0.9));
  assert.deepEqual(ticks.map(({ label }) => label).sort(), ['0', '0.9', '0.99', '0.999']);
});

test('a single value, equal values and no values still make an axis', () => {
  for (const values of [[20], [0], [3, 3], [], [Number.NaN]]) {
    for (const scale of ['linear', 'log', 'decay'] as const) {
      const { ticks } = placeAxis({ label: '', scale }, values, [0, 100], { count: 5, nice: true });
      assert.ok(
        ticks.every(({ at }) => at >= 0 && at <= 100),
        `${scale} ${values}`,
      );
    }
  }
});

test('ticks that are asked for are drawn within the domain', () => {
  assert.deepEqual(labels({ ticks: [8, 12, 20, 36, 48] }, [12, 36]), ['12', '20', '36']);
});
