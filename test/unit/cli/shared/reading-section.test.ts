import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readingDocument, valueText } from '../../../../cli/shared/reading-document.ts';
import { readingSection } from '../../../../cli/shared/sections/reading-section.ts';
import { READING } from '../../../support/reading.ts';

test('a report has each fact of each model with its source, options as flags', () => {
  const read = { ...READING, output: { value: 'y', source: '`output`' } };
  const [section] = readingSection([{ model: 'a.onnx', reading: read }]);
  const table = section?.parts[0];
  assert.ok(typeof table === 'object' && table.kind === 'table');
  assert.equal(table.rows.length, Object.keys(read).length);
  assert.deepEqual(table.rows.at(-1), { model: 'a.onnx', fact: 'output', value: 'y', source: '--output' });
});

test('models that were measured before have no section', () => {
  assert.deepEqual(readingSection([{ model: 'a.onnx', reading: undefined }]), []);
});

test('a long list is shown by its first items and how many there are; JSON has all of it', () => {
  const names = Array.from({ length: 1000 }, (_, i) => `c${i}`);
  const fact = { value: names, source: 'the metadata' };
  assert.equal(valueText(fact), 'c0, c1, c2, c3, c4, … (1000)');
  assert.deepEqual(readingDocument({ class_names: fact, output_kind: undefined }), { class_names: fact });
  assert.equal(valueText({ value: 78_330 }), '78,330');
});
