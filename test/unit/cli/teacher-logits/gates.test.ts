import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missedTeacherGates, parseTeacherGates, teacherGate } from '../../../../cli/teacher-logits/gates.ts';
import { teacherFields } from '../../../../src/distill/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { storeRun } from '../../../support/target-store.ts';

const scores = [
  { n: 10, top1: 0.8, top5: 0.9, nll: 0.5 },
  { n: 10, top1: 0.6, top5: 0.9, nll: 0.7 },
];
const teachers = teacherFields(storeRun(), scores);

test('every teacher must meet every gate', () => {
  const gates = parseTeacherGates('top1>=0.7,nll:0.6');
  assert.deepEqual(missedTeacherGates(gates, teachers), [
    'second.onnx: missed top1>=0.7: top1 is 0.6',
    'second.onnx: missed nll:0.6: nll is 0.7',
  ]);
  assert.equal(teacherGate(gates)?.(teachers), false);
  assert.equal(teacherGate(gates)?.(teachers.slice(0, 1)), true);
});

test('without labels every gate is missed; without gates nobody is asked', () => {
  const gates = parseTeacherGates('top1:0.1');
  const [missed] = missedTeacherGates(gates, teacherFields(storeRun(), null));
  assert.match(missed ?? '', /top1 is not measured/);
  assert.equal(teacherGate(parseTeacherGates(undefined)), undefined);
});

test('a gate on what teachers are not scored by is refused', () => {
  assert.match(assertFails(() => parseTeacherGates('ece15:0.1'), 'USAGE').message, /top1, top5, nll/);
});
