import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textTable } from '../../../../cli/shared/text-table.ts';

test('numbers are right-aligned, words left-aligned', () => {
  assert.equal(
    textTable(
      ['model', 'top-1'],
      [
        ['a', '9.5'],
        ['model-b', '88.50'],
      ],
    ),
    'model    top-1\na          9.5\nmodel-b  88.50\n',
  );
});

test('a table fits in 80 columns: what does not fit goes below, with the name of the row', () => {
  const header = ['model', ...Array.from({ length: 12 }, (_, i) => `column ${i}`)];
  const row = ['epoch_25.onnx', ...Array.from({ length: 12 }, (_, i) => String(i))];
  const lines = textTable(header, [row]).split('\n');
  assert.ok(lines.every((line) => line.length <= 80));
  assert.equal(lines.filter((line) => line.startsWith('epoch_25.onnx')).length, 2);
  for (const name of header) assert.ok(lines.some((line) => line.includes(name)));
});

test('blocks begin with all columns that tell rows apart, and empty columns are left out', () => {
  const header = ['set', 'size', 'nothing', ...Array.from({ length: 9 }, (_, i) => `column ${i}`)];
  const row = (set: string, size: string) => [set, size, '', ...Array.from({ length: 9 }, (_, i) => String(i))];
  const text = textTable(header, [row('val', '20'), row('val', '28')], 2);
  assert.equal(text.match(/^val {2,}20 /gm)?.length, 2);
  assert.equal(text.match(/^val {2,}28 /gm)?.length, 2);
  assert.doesNotMatch(text, /nothing/);
});
