import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { average } from '../support/average.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { TRANSFORM } from '../support/run-eval.ts';
import { AS_TORCH, fixResFails, SIZES, TRAIN, VAL } from '../support/run-fix-res.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const uniform = join(root, 'uniform.onnx');
before(() => average(SNAPSHOTS, uniform));
let folders = 0;
function out(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return join(folder, 'out.onnx');
}

/** Labels of the 2,000 training images as an IDX file. */
function labelsFile(name: string, label: (row: number) => number): string {
  const path = join(root, `${name}-idx1-ubyte.gz`);
  const header = Buffer.from([0, 0, 8, 1, 0, 0, 2000 >> 8, 2000 & 255]);
  writeFileSync(path, gzipSync(Buffer.concat([header, Buffer.from(Array.from({ length: 2000 }, (_, i) => label(i)))])));
  return path;
}
const images = TRAIN.slice(0, 2);
const common = [...VAL, ...SIZES, ...AS_TORCH] as const;

test('labels that are missing', () => {
  fixResFails([uniform, ...images, ...common, '--out', out()], 4, 'FORMAT_LABEL', /label/);
});

test('labels beyond the classes of the model', () => {
  const labels = labelsFile('beyond', (row) => (row === 1234 ? 10 : row % 10));
  const args = [uniform, ...images, '--train-labels', labels, ...common, '--out', out()];
  fixResFails(args, 6, 'MISMATCH_VALUE', /row 1234: label 10, but the model has classes 0 to 9/);
});

test('images of one class only', () => {
  const labels = labelsFile('one', () => 3);
  const args = [uniform, ...images, '--train-labels', labels, ...common, '--out', out()];
  fixResFails(args, 3, 'INPUT_TOO_FEW', /all 2000 images are of class 3/);
});

test('what is asked for and has no use, or is missing', () => {
  const args = [uniform, ...TRAIN, ...common] as const;
  fixResFails(args, 2, 'USAGE', /no output is named/);
  fixResFails([uniform, ...VAL, ...SIZES, '--out', out()], 2, 'USAGE', /no --train is named/);
  fixResFails([uniform, ...TRAIN, ...SIZES, '--out', out()], 2, 'USAGE', /no --val is named/);
  fixResFails([uniform, ...TRAIN, ...VAL, '--out', out()], 2, 'USAGE', /no test size is named/);
  fixResFails(
    [uniform, ...TRAIN, ...VAL, '--size', '28', ...TRANSFORM, '--out', out()],
    2,
    'USAGE',
    /--train-size is missing.*Give --train-size/,
  );
  fixResFails([...args, '--views', '2', '--out', out()], 2, 'USAGE', /--views has no use with --train-transform v1/);
  fixResFails([...args, '--mode', 'stats', '--patience', '2', '--out', out()], 2, 'USAGE', /--patience has no use/);
  fixResFails(
    [...args, '--momentum', '1', '--out', out()],
    2,
    'USAGE',
    /--momentum 1: expected a number from 0 and under 1/,
  );
  fixResFails(
    [...args, '--output', 'features', '--out', out()],
    2,
    'USAGE',
    /has no output features \(it has: logits\)/,
  );
  fixResFails([...args, '--out', uniform], 3, 'OUTPUT_IS_INPUT', /is one of the inputs/);
});

test('a rate that makes the loss infinite', () => {
  const args = [uniform, ...TRAIN, ...VAL, ...SIZES, '--transform', 'v1', '--batch', '100', '--lr', '1e30'];
  fixResFails(
    [...args, '--epochs', '3', '--out', out()],
    8,
    'NUMERIC_NONFINITE',
    /epoch 1, batch \d+: the loss is .* --lr/,
  );
});
