import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missedGates, parseGate } from '../../../../cli/shared/gate.ts';
import { assertFails } from '../../../support/assert-fails.ts';

test('operators as written, and a colon for whichever way is better', () => {
  const parsed = [
    'top1>=0.89',
    ' top1 > .5 ',
    'nll<0.4',
    'ece15<=1e-2',
    'top1:0.89',
    'nll:0.4',
    'img_s_model:1000',
    'ms_p95:20',
  ].map(parseGate);
  assert.deepEqual(
    parsed.map(({ field, operator, limit }) => [field, operator, limit]),
    [
      ['top1', '>=', 0.89],
      ['top1', '>', 0.5],
      ['nll', '<', 0.4],
      ['ece15', '<=', 0.01],
      ['top1', '>=', 0.89],
      ['nll', '<=', 0.4],
      ['img_s_model', '>=', 1000],
      ['ms_p95', '<=', 20],
    ],
  );
});

test('a bare field is explained as the shell redirection that it was, a percentage as the fraction meant', () => {
  assert.match(assertFails(() => parseGate('top1'), 'USAGE').hint ?? '', /'top1>=0\.9'.*top1:0\.9.*"=0\.9"/);
  assert.match(assertFails(() => parseGate('top1>=76.1'), 'USAGE').hint ?? '', /top1>=0\.761\.$/);
  // Not fractions: an NLL of 2 is possible.
  assert.equal(parseGate('nll<=2').limit, 2);
});

test('anything else is a usage error', () => {
  for (const text of [
    '',
    'acc>=0.9',
    'TOP1>=0.9',
    'top1==0.9',
    'top1=>0.9',
    'top1=0.9',
    'top1>=',
    'top1>=abc',
    'top1>=89%',
    'top1>=NaN',
    'top1>=Infinity',
    '>=0.9',
    'top1>=0.8>=0.9',
  ]) {
    assertFails(() => parseGate(text), 'USAGE');
  }
  for (const name of ['toString', '__proto__', 'constructor']) assertFails(() => parseGate(`${name}>=0`), 'USAGE');
});

test('an empty condition, such as behind a last comma, is said to be one', () => {
  for (const text of ['', ' ']) assert.match(assertFails(() => parseGate(text), 'USAGE').message, /empty condition/);
});

test('limits are inclusive where they say so; what was not measured, or is NaN, misses', () => {
  const missed = (gate: string, row: Record<string, number | string>): number =>
    missedGates([parseGate(gate)], { model: 'm', ...row }).length;
  assert.deepEqual([missed('top1>=0.89', { top1: 0.89 }), missed('top1>0.89', { top1: 0.89 })], [0, 1]);
  assert.deepEqual([missed('nll<=0.4', { nll: 0.4 }), missed('nll<0.4', { nll: 0.4 })], [0, 1]);
  assert.deepEqual([missed('top1:0.89', { top1: 0.8899 }), missed('nll:0.4', { nll: 0.41 })], [1, 1]);
  assert.deepEqual([missed('ms_p95:20', {}), missed('nll<1', { nll: Number.NaN })], [1, 1]);
  assert.equal(
    missedGates([parseGate('top1:0.9'), parseGate('nll:0.1')], { model: 'm.onnx', top1: 0.8, nll: 0.05 }).join(),
    'm.onnx: missed top1:0.9: top1 is 0.8',
  );
});
