/** The comparison of devices is seen to pass and to fail: nobody would notice a suite on a GPU that cannot fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareDevices, type Measured, type Tolerances } from '../../support/compare-devices.ts';

const MEASURED: Measured = { logits: [1, -4, 2.5], answers: [3, 1, 2, 2], chosen: ['uniform_last3'] };
const TOLERANCES: Tolerances = {
  logits: { by: 'scale', most: 1e-3 },
  answers: { by: 'share', most: 0.25 },
};
const failed = (changed: Measured): string[] =>
  compareDevices(MEASURED, changed, TOLERANCES)
    .filter(({ passed }) => !passed)
    .map(({ field }) => field);

test('equal runs agree; differences within a tolerance pass in its own measure', () => {
  assert.deepEqual(failed(MEASURED), []);
  assert.deepEqual(failed({ ...MEASURED, logits: [1.0039, -4, 2.5] }), [], 'a thousandth of the largest, 4');
  assert.deepEqual(failed({ ...MEASURED, answers: [3, 1, 2, 9] }), [], 'one answer of four');
});

const FORGED: readonly (readonly [string, Measured, string])[] = [
  ['one value too far', { ...MEASURED, logits: [1.0041, -4, 2.5] }, 'logits'],
  ['too many answers', { ...MEASURED, answers: [3, 1, 9, 9] }, 'answers'],
  ['another choice', { ...MEASURED, chosen: ['ema_0.9'] }, 'chosen'],
  ['NaN', { ...MEASURED, logits: [1, Number.NaN, 2.5] }, 'logits'],
  ['fewer values', { ...MEASURED, logits: [1, -4] }, 'logits'],
  ['a field that is not there', { logits: MEASURED.logits as number[], chosen: ['uniform_last3'] }, 'answers'],
  ['a field too many', { ...MEASURED, more: [1] }, 'more'],
];
for (const [what, changed, field] of FORGED) {
  test(`a forged difference is found: ${what}`, () => assert.deepEqual(failed(changed), [field]));
}

test('NaN on both sides is no agreement', () => {
  const both: Measured = { logits: [Number.NaN] };
  assert.equal(compareDevices(both, both, {})[0]?.passed, false);
});
