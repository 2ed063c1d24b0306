import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitText, textWidth, wrapText } from '../../../../src/report/charts/text-width.ts';

test('a name that is too wide keeps both ends', () => {
  assert.equal(fitText('short.onnx', 200, 12), 'short.onnx');
  const fitted = fitText(`run-2024/${'x'.repeat(300)}/epoch_25.onnx`, 120, 12);
  assert.match(fitted, /^run-.*…x*.*\.onnx$/);
  assert.ok(textWidth(fitted, 12) <= 120);
  assert.equal(fitText('wide', 3, 12), '…');
});

test('characters outside of the basic plane are never cut in half', () => {
  for (let width = 0; width < 120; width++) assert.doesNotMatch(fitText('🧨'.repeat(20), width, 12), /\p{Cs}/u);
});

test('lines are no wider than asked for, and lose no word', () => {
  const text = 'Top-1 of 12 snapshots and of their averages, on 10,000 test images';
  const lines = wrapText(text, 150, 15);
  assert.equal(lines.join(' '), text);
  for (const line of lines) assert.ok(textWidth(line, 15) <= 150);
});
