import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import '../support/seeded.ts';
import { effectiveModels, type PlanOptions, planRows } from '../../src/average/index.ts';
import { candidatesOf } from '../../src/snapshots/index.ts';
import { compareNatural } from '../../src/snapshots/natural-order.ts';

const name = fc.string({ unit: fc.constantFrom('a', 'b', '_', '0', '1', '9'), maxLength: 8 });
const decay = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const perStep = fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true });

/** Snapshots of one run, shuffled, with the shuffle's seed in their times. */
const snapshots = fc
  .uniqueArray(fc.integer({ min: 0, max: 1e6 }), { minLength: 1, maxLength: 40 })
  .map((steps) => candidatesOf(steps.map((step) => ({ file: `run/step_${step}.onnx`, mtimeMs: step % 7 }))));

const positive = fc.double({ min: 0.1, max: 100, noNaN: true });
const options: fc.Arbitrary<PlanOptions> = fc.oneof(
  fc.constant({}),
  fc.record({
    decay: fc.uniqueArray(decay, { minLength: 1, maxLength: 3 }),
    fromFirst: fc.boolean(),
    warmup: fc.boolean(),
  }),
  fc.record({ decayPerStep: fc.tuple(perStep), fromFirst: fc.boolean() }),
  positive.map((h) => ({ halfLife: [Number(h.toFixed(3)), { steps: Number((h * 100).toFixed(3)) }] })),
  fc.double({ min: 0.004, max: 0.288, noNaN: true }).map((s) => ({ sigmaRel: [s] })),
  fc.double({ min: 0, max: 300, noNaN: true }).map((g) => ({ gamma: [g], t0: 0 })),
);
const windowed = fc.tuple(options, fc.integer({ min: 1, max: 3 }), fc.boolean());

test('natural order is total: antisymmetric, transitive, equal only for equal names', () => {
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      assert.equal(Math.sign(compareNatural(a, b)), -Math.sign(compareNatural(b, a)) + 0);
      assert.equal(compareNatural(a, b) === 0, a === b);
      if (compareNatural(a, b) <= 0 && compareNatural(b, c) <= 0) assert.ok(compareNatural(a, c) <= 0);
    }),
    { numRuns: 5000 },
  );
});

test('the weights of every row are between 0 and 1, sum to 1, and count for 1 to N models', () => {
  fc.assert(
    fc.property(snapshots, windowed, (candidates, [method, every]) => {
      const { rows, snapshots: used } = planRows(candidates, { ...method, every });
      for (const row of rows) {
        const weights = row.coefficients.map((value) => value / row.divisor);
        assert.ok(weights.every((value) => value >= 0 && value <= 1));
        assert.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-12);
        const effective = effectiveModels(row);
        assert.ok(effective > 1 - 1e-9 && effective < used.length + 1e-9, `${row.name}: ${effective}`);
      }
    }),
  );
});

test('the order in which the inputs are given does not change the plan', () => {
  fc.assert(
    fc.property(snapshots, windowed, fc.infiniteStream(fc.nat()), (candidates, [method, every, byTime], keys) => {
      const order =
        byTime &&
        !Object.hasOwn(method, 'decayPerStep') &&
        method.halfLife === undefined &&
        method.sigmaRel === undefined &&
        method.gamma === undefined
          ? 'mtime'
          : 'natural';
      const shuffled = candidates
        .map((candidate) => ({ candidate, key: keys.next().value as number }))
        .sort((a, b) => a.key - b.key)
        .map(({ candidate }) => candidate);
      const all: PlanOptions = { ...method, every, order, last: [1] };
      assert.deepEqual(planRows(shuffled, all), planRows(candidates, all));
    }),
  );
});

test('the EMA is the recursion m = d·m + (1−d)·x with the decay of each interval', () => {
  fc.assert(
    fc.property(snapshots, perStep, fc.boolean(), (candidates, d, fromFirst) => {
      const { rows, snapshots: used } = planRows(candidates, { decayPerStep: [d], fromFirst });
      const steps = used.map(({ step }) => step as number);
      const [first = 0, second = first + 1] = steps;
      const values = steps.map((step) => Math.sin(step));
      let [mean, mass] = [0, 0];
      values.forEach((x, i) => {
        const keep = fromFirst && i === 0 ? 0 : d ** ((steps[i] as number) - (steps[i - 1] ?? 2 * first - second));
        mean = keep * mean + (1 - keep) * x;
        mass = keep * mass + (1 - keep);
      });
      const row = rows[0];
      assert.ok(row);
      const planned = row.coefficients.reduce((sum, value, i) => sum + value * (values[i] as number), 0) / row.divisor;
      assert.ok(Math.abs(planned - mean / mass) < 1e-9, `${planned} ${mean / mass}`);
    }),
  );
});
