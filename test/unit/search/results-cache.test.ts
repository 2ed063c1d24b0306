import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openResultsCache } from '../../../src/search/results-cache.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const METRICS = { n: 10, top1: 0.5, top5: 1, nll: 1.25, brier: 0.5, ece: 0.125, eceCalibrated: 0.1 };

test('results are found again by their key, exactly', () => {
  const path = join(root, 'a.jsonl');
  const first = openResultsCache(path);
  assert.equal(first.get('k'), undefined);
  first.put('k', METRICS);
  first.put('l', { ...METRICS, nll: 0.1 + 0.2 });
  const second = openResultsCache(path);
  assert.deepEqual(second.get('k'), METRICS);
  assert.equal(second.get('l')?.nll, 0.1 + 0.2);
});

test('a line that a kill cut short is dropped, and the file goes on behind the last whole one', () => {
  const path = join(root, 'b.jsonl');
  openResultsCache(path).put('k', METRICS);
  const whole = readFileSync(path, 'utf8');
  appendFileSync(path, whole.slice(0, 25));
  openResultsCache(path).put('m', METRICS);
  assert.equal(readFileSync(path, 'utf8'), whole + whole.replace('"k"', '"m"'));
  // A whole record without its newline could be a prefix of longer numbers.
  appendFileSync(path, whole.trimEnd().replace('"k"', '"n"'));
  assert.equal(openResultsCache(path).get('n'), undefined);
});

test('a file that is something else is refused and left alone', () => {
  const path = join(root, 'c.csv');
  writeFileSync(path, 'model,top1\na.onnx,0.5\n');
  assertFails(() => openResultsCache(path), 'FORMAT_TABLE');
  assert.equal(readFileSync(path, 'utf8'), 'model,top1\na.onnx,0.5\n');
});
