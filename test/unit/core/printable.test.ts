import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable, printableLines, shown, TemperError } from '../../../src/core/index.ts';

test('terminal controls are shown, not obeyed: ESC, C1, bidirectional overrides, line separators', () => {
  assert.equal(
    printable('a\u001b[31mb\u009b2J\u202ec\u2028\r\n\0'),
    'a\\u001b[31mb\\u009b2J\\u202ec\\u2028\\u000d\\u000a\\u0000',
  );
  assert.equal(printable('\u{e0041}'), '\\udb40\\udc41');
});

test('text stays as it is, in every script', () => {
  for (const text of ['plain', 'Größe 層 слой', '💥', 'a b']) assert.equal(printable(text), text);
});

test('lines keep their ends, and nothing else', () => {
  assert.equal(printableLines('a\u001b\nb\r\n'), 'a\\u001b\nb\\u000d\n');
});

test('an error is one printable line of bounded length, whatever the names in it', () => {
  const error = new TemperError('USAGE', `x${'\u001b[2J\n'.repeat(100_000)}end`, { hint: 'do\u001b' });
  assert.ok(error.message.length < 100_000);
  assert.ok(error.message.startsWith('x\\u001b[2J') && error.message.endsWith('end'));
  assert.equal(error.hint, 'do\\u001b');
});

test('a record as its text shows it: every string and key is one line, and what is equal stays equal', () => {
  const model = { name: 'a\nb', scores: new Float64Array([1, 2]), 'k\u001b': ['\u202ex', 3, null, undefined] };
  const record = { models: [model], best: model, classes: new Map([['c\n', new Set(['d\r'])]]) };
  const { models, best, classes } = shown(record);
  assert.equal(best, models[0]);
  assert.equal(best.name, 'a\\u000ab');
  assert.equal(best.scores, model.scores);
  assert.deepEqual(Object.entries(best).at(-1), ['k\\u001b', ['\\u202ex', 3, null, undefined]]);
  assert.deepEqual([...classes], [['c\\u000a', new Set(['d\\u000d'])]]);
});
