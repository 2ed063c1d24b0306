import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkOutputs } from '../../../src/core/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

test('names that no file can be published under are refused before the work', () => {
  const folder = tempFolder();
  const names = ['new.onnx/', 'new/..', '.', '..', 'x'.repeat(234), 'ü'.repeat(117)].map((name) => `${folder}/${name}`);
  for (const name of ['', ...names, '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'])
    assertFails(() => checkOutputs([name], [], true), 'USAGE');
  for (const name of ['x'.repeat(233), '...', 'a.', '.hidden']) checkOutputs([join(folder, name)], [], true);
});

test('an output is not an input, not another output, and not there', () => {
  const folder = tempFolder();
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  assertFails(() => checkOutputs([a, a], [], false), 'USAGE');
  assertFails(() => checkOutputs([a], [a], true), 'OUTPUT_IS_INPUT');
  assertFails(() => checkOutputs([join(folder, 'missing', 'b')], [], false), 'OUTPUT_WRITE');
  assertFails(() => checkOutputs([folder], [], true), 'OUTPUT_EXISTS');
  assert.doesNotThrow(() => checkOutputs([a, b], [], false));
});
