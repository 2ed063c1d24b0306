import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseClassNames } from '../../../src/signature/class-names.ts';

test('class names are read from JSON and from Python text, by index or by name', () => {
  const names = ['c', 'a', "it's, {b}"];
  for (const text of [
    `{0: 'c', 1: 'a', 2: "it's, {b}"}`,
    `{2: 'it\\'s, {b}', 0: 'c', 1: 'a'}`,
    `['c', 'a', "it's, {b}"]`,
    JSON.stringify(names),
    JSON.stringify({ 0: 'c', 1: 'a', 2: "it's, {b}" }),
    `{'c': 0, 'a': 1, "it's, {b}": 2}`,
    JSON.stringify({ c: 0, a: 1, "it's, {b}": 2 }),
  ]) {
    assert.deepEqual(parseClassNames(text), names, text);
  }
  assert.deepEqual(parseClassNames('c, a, b'), ['c', 'a', 'b']);
});

test('what is no list of class names is none', () => {
  for (const text of [
    '',
    'cat',
    '{}',
    '[1',
    "{0: 'a', 2: 'b'}",
    "{0: 'a', 1: 'a'}",
    '{0: f(x)}',
    '[{"toString":1},"a"]',
    '{"0":{"toString":1},"1":"a"}',
    '{"0":"LABEL_0","1":"LABEL_1"}',
  ])
    assert.equal(parseClassNames(text), undefined, text);
});
