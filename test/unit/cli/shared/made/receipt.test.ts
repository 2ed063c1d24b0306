import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  pathFrom,
  pathIn,
  type Receipt,
  readReceipt,
  receiptPath,
  writeReceipt,
} from '../../../../../cli/shared/made/receipt.ts';
import { tempFolder } from '../../../../support/temp-folder.ts';

const RECEIPT: Receipt = {
  tool: 'onnx-temper',
  made_from: { command: 'avg-ckpt', version: '1.0.0', options: { decay: [0.9] }, inputs: { inputs: { files: [] } } },
  named: ['x.onnx'],
  outputs: [{ path: 'x.onnx', bytes: 1, sha256: 'ab' }],
  exit_code: 0,
};

test('what is written is what is read; where none is, none is read', () => {
  const path = join(tempFolder(), 'x.onnx.made.json');
  assert.equal(readReceipt(path), undefined);
  writeReceipt(path, RECEIPT);
  assert.deepEqual(readReceipt(path), RECEIPT);
});

test('a file that was cut, or is of something else, is refused', () => {
  const path = join(tempFolder(), 'x.onnx.made.json');
  writeReceipt(path, RECEIPT);
  const text = readFileSync(path, 'utf8');
  const others = [text.slice(0, -3), '', 'null', '[]', '{}', JSON.stringify({ ...RECEIPT, outputs: [{ path: 1 }] })];
  for (const other of [
    ...others,
    JSON.stringify({ ...RECEIPT, exit_code: 7 }),
    JSON.stringify({ ...RECEIPT, tool: 'x' }),
  ]) {
    writeFileSync(path, other);
    assert.throws(() => readReceipt(path), { code: 'OUTPUT_EXISTS' });
  }
});

test('it lies beside a file and beside a folder, and names files from there, so that all can be moved', () => {
  assert.equal(receiptPath('a/x.onnx'), 'a/x.onnx.made.json');
  assert.equal(receiptPath('a/out//'), 'a/out.made.json');
  assert.equal(pathIn('a/out.made.json', 'a/out/model.onnx'), 'out/model.onnx');
  assert.equal(pathFrom('a/out.made.json', 'out/model.onnx'), join('a', 'out', 'model.onnx'));
});
