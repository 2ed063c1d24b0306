import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRows } from '../../../../src/average/index.ts';
import { assertFails, epochs, filesOf, named } from '../candidates.ts';

const numbered = (...steps: number[]) => steps.map((step) => `epoch_${step}.onnx`);

test('natural order puts 9 before 10 before 100, and is the default', () => {
  const files = named('e_100.onnx', 'e_9.onnx', 'e_10.onnx');
  assert.deepEqual(filesOf(files, {}), ['e_9.onnx', 'e_10.onnx', 'e_100.onnx']);
  assert.deepEqual(filesOf(files, { order: 'list' }), ['e_100.onnx', 'e_9.onnx', 'e_10.onnx']);
});

test('mtime order falls back to natural order for equal times', () => {
  const files = named('e_3.onnx', 'e_10.onnx', 'e_2.onnx').map((file) => ({ ...file, mtimeMs: 5 }));
  files.push(...named('e_99.onnx').map((file) => ({ ...file, mtimeMs: 4 })));
  assert.deepEqual(filesOf(files, { order: 'mtime' }), ['e_99.onnx', 'e_2.onnx', 'e_3.onnx', 'e_10.onnx']);
});

test('the range comes first, then every k-th counted back from the newest, then last or first', () => {
  assert.deepEqual(filesOf(epochs(12), { start: 3, end: 11, every: 3 }), numbered(5, 8, 11));
  assert.deepEqual(filesOf(epochs(12), { start: 3, end: 11, every: 3, last: [2] }), numbered(8, 11));
  assert.deepEqual(filesOf(epochs(12), { start: 3, end: 11, every: 3, first: [2] }), numbered(5, 8));
});

test('a snapshot without a step is left out of a range with a note, and kept without one', () => {
  const files = [...epochs(3), ...named('last.onnx')];
  const { snapshots, notes } = planRows(files, { start: 2 });
  assert.deepEqual(
    snapshots.map(({ file }) => file),
    numbered(2, 3),
  );
  assert.match(notes.join(), /last\.onnx/);
  assert.equal(filesOf(files, {}).length, 4);
});

test('fewer snapshots than asked for is an error that says how many there are', () => {
  for (const option of ['last', 'first', 'best'] as const)
    assertFails('INPUT_TOO_FEW', [new RegExp(`\`${option}\` 5`), /only 3 snapshots/], () =>
      planRows(epochs(3), {
        [option]: [2, 5],
        ...(option === 'best' ? { metrics: { name: 'metrics', text: 'epoch,a\n1,1\n2,1\n3,1' }, metric: 'a' } : {}),
      }),
    );
});

test('an empty selection is an error', () => {
  assertFails('INPUT_TOO_FEW', [/no snapshots are left of 3/, /`start`/], () => planRows(epochs(3), { start: 4 }));
  assertFails('INPUT_TOO_FEW', [/`pattern`/], () => planRows([], {}));
});

test('counts and ranges that make no sense are usage errors that name the option', () => {
  assertFails('USAGE', [/`last` is 0/], () => planRows(epochs(3), { last: [0] }));
  assertFails('USAGE', [/`first` is 1.5/], () => planRows(epochs(3), { first: [1.5] }));
  assertFails('USAGE', [/`every` is 0/], () => planRows(epochs(3), { every: 0 }));
  assertFails('USAGE', [/`last` has 2 twice/], () => planRows(epochs(3), { last: [2, 2] }));
  assertFails('USAGE', [/`start` 3 `end` 2/], () => planRows(epochs(3), { start: 3, end: 2 }));
  assertFails('USAGE', [/`start` NaN/], () => planRows(epochs(3), { start: Number.NaN }));
  assertFails('USAGE', [/`last` and `first`/], () => planRows(epochs(3), { last: [2], first: [1] }));
});

test('a number in the names that falls in natural order is said, as it may be a metric', () => {
  const files = named('m3-k95.onnx', 'm4-k91.onnx');
  assert.match(planRows(files, { last: [1] }).notes.join(), /falls from 95 .* to 91/);
  assert.deepEqual(planRows(epochs(3), {}).notes, []);
});
