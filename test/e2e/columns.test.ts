/** docs/columns.md says what every command prints: no more, no less. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnsPage, compared, documentedPaths, documentNames } from '../support/columns-page.ts';
import { printedDocuments } from '../support/printed-documents.ts';
import { tempFolder } from '../support/temp-folder.ts';

const page = columnsPage();
const printed = printedDocuments(tempFolder());

test('every column and field that a command prints is documented', () => {
  const unknown = new Set(
    printed.flatMap(({ name, value }) => compared(page, name, value).unknown.map((path) => `${name}: ${path}`)),
  );
  assert.deepEqual([...unknown], []);
});

test('every column and field that is documented is printed, unless it is marked', () => {
  const shown = new Set(
    printed.flatMap(({ name, value }) => compared(page, name, value).shown.map((path) => `${name}: ${path}`)),
  );
  const documented = documentNames(page).flatMap((name) =>
    documentedPaths(page, name).map((path) => `${name}: ${path}`),
  );
  assert.deepEqual(
    documented.filter((path) => !shown.has(path)),
    [],
  );
});

test('a field that is not documented, or documented and not printed, is found', () => {
  const small = columnsPage(
    '# C\n## a\n| field | type | meaning |\n|---|---|---|\n| `x`, `k*` | [b](#b) | |\n| … | [b](#b) | |\n## b\n| `y` | by file | |\n| `z` † | | |\n',
  );
  assert.deepEqual(documentNames(small), ['a']);
  assert.deepEqual(documentedPaths(small, 'a'), ['x', 'x.y', 'k*', 'k*.y', 'y']);
  assert.deepEqual(compared(small, 'a', { x: [{ y: { 'f.onnx': 1 } }], k1: 1, w: { q: 1 } }), {
    shown: ['x', 'x.y', 'k*'],
    unknown: ['w'],
  });
});
