import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  divergence,
  ghostDivergence,
  klOf,
  largestKl,
  logSoftmax,
  storedTop,
  teacherLogP,
} from '../../src/distill/index.ts';

const logits = fc.integer({ min: 2, max: 40 }).chain((classes) => {
  const row = fc.array(fc.double({ min: -40, max: 40, noNaN: true }), { minLength: classes, maxLength: classes });
  return fc.record({
    teacher: row,
    student: row,
    k: fc.integer({ min: 1, max: classes }),
    T: fc.constantFrom(0.5, 1, 2, 4, 20),
  });
});

test('of any rows, at any K and temperature: ghost <= KL of the whole row <= largest, and the estimate lies between', () => {
  fc.assert(
    fc.property(logits, ({ teacher, student, k, T }) => {
      const classes = teacher.length;
      const max = Math.max(...teacher);
      const order = [...teacher.keys()].sort((a, b) => (teacher[b] as number) - (teacher[a] as number)).slice(0, k);
      const lse = Math.log(teacher.reduce((sum, z) => sum + Math.exp((z - max) / T), 0));
      const stored = { values: order.map((at) => (teacher[at] as number) - max), classes: order, lse };
      const [logP, logQ, estimate] = [0, 1, 2].map(() => new Float64Array(classes)) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      logSoftmax(teacher, T, logP);
      const shift = logSoftmax(student, T, logQ);
      const others = Float64Array.from(student.filter((_, at) => !order.includes(at)))
        .sort()
        .map((z) => z / T - shift);
      const top = storedTop(stored, T);
      const truth = klOf(divergence(logP, logQ));
      const lower = klOf(ghostDivergence(top, { logQ, others }));
      const upper = largestKl(top, { logQ, others });
      teacherLogP(stored, T, estimate);
      const guess = klOf(divergence(estimate, logQ));
      // The mass that is left is 1 - Σ p: of a tail of 1e-16 nothing is known.
      const slack = 1e-12 * (1 + Math.abs(truth)) + 1e-15 * 200 * classes;
      assert.ok(truth >= -slack && lower >= -slack, `KL ${truth}, at least ${lower}`);
      assert.ok(lower <= truth + slack && truth <= upper + slack, `${lower} <= ${truth} <= ${upper}`);
      assert.ok(lower <= guess + slack && guess <= upper + slack, `${lower} <= ${guess} <= ${upper}`);
      const sum = estimate.reduce((total, log) => total + Math.exp(log), 0);
      assert.ok(Math.abs(sum - 1) < 1e-12, `the estimate sums to ${sum}`);
    }),
    { numRuns: 500, seed: 11 },
  );
});
