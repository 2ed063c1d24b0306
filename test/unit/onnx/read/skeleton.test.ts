import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { keepSkeleton, openModel, readPayload, type TensorRecord } from '../../../../src/onnx/index.ts';
import { SNAPSHOTS } from '../../../support/fashion.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
const [first, second, third] = SNAPSHOTS as [string, string, string];

test('a file that was like another, and was written to since both were closed, is compared anew', () => {
  const path = join(folder, 'rewritten.onnx');
  copyFileSync(second, path);
  const like = openModel(first);
  keepSkeleton(like);
  const known = openModel(path, like);
  assert.equal(known.record, like.record);
  for (const model of [like, known]) model.close();

  copyFileSync(third, path);
  const again = openModel(path, known);
  assert.equal(again.record, like.record, 'of other payloads');
  const tensor = again.record.graph.initializers[0] as TensorRecord;
  const truth = openModel(third);
  assert.deepEqual(readPayload(again, tensor), readPayload(truth, tensor));
  for (const model of [again, truth]) model.close();

  const bytes = readFileSync(third);
  // The name of a value: another structure of the same size.
  bytes.write('Input', bytes.indexOf('input'));
  writeFileSync(path, bytes);
  const other = openModel(path, known);
  assert.notEqual(other.record, like.record);
  other.close();
});
