/** `avg-ckpt search --bn repair`: convolutions that BatchNormalization was folded into get back what averaging took. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { foldBatchNorms } from '../support/fold-batchnorm.ts';
import { decodeModel, floatsOf } from '../support/model-builder.ts';
import { AVG_CKPT, avgCkpt, runProgram } from '../support/run-cli.ts';
import { evalJson, ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const folder = join(root, 'folded');
const file = (name: string): string => join(FASHION, `${name}-ubyte.gz`);
const VAL = ['--val', file('test-images-idx3'), '--val-labels', file('test-labels-idx1'), '--val-limit', '2000'];
const BN = ['--bn-data', file('train-2k-images-idx3'), '--bn-limit', '1000'];
const CHOSEN = [0, 2, 11].map((i) => join(folder, `epoch_${i + 14}.onnx`));
before(() => {
  mkdirSync(folder);
  for (const path of SNAPSHOTS) foldBatchNorms(path, join(folder, path.split('/').at(-1) as string));
});

interface Found {
  readonly statistics: string;
  readonly chosen: string;
  readonly candidates: readonly { readonly candidate: string; readonly bn: string; readonly top1: number }[];
  readonly error?: { readonly code: string; readonly message: string };
}

function search(args: readonly string[], status = 0): Found {
  const all = ['search', ...CHOSEN, ...VAL, '--size', '20', ...TRANSFORM, ...ON_CPU, '--json', '--quiet', ...args];
  const run = runProgram(AVG_CKPT, all);
  assert.equal(run.status, status, run.stderr + run.stdout.slice(0, 400));
  return JSON.parse(run.stdout) as Found;
}

test('the repaired average is written and verified; it scores as the search said; singles stay as they are', () => {
  const [plain, repaired] = ['plain.onnx', 'repaired.onnx'].map((name) => join(root, name)) as [string, string];
  const before = search(['--include', 'last', '--bn', 'average', '--allow-worse', '--out', plain]);
  const after = search(['--include', 'last', ...BN, '--bn', 'repair', '--allow-worse', '--out', repaired]);
  const top1 = (found: Found, name: string): number =>
    found.candidates.find(({ candidate }) => candidate === name)?.top1 as number;
  for (const { candidate, bn } of after.candidates) assert.equal(bn, 'repair', candidate);
  for (const name of ['epoch_14', 'epoch_16', 'epoch_25']) assert.equal(top1(after, name), top1(before, name));
  // Snapshots of one late run lose little to averaging: repair neither helps nor harms them beyond noise.
  assert.ok(top1(after, 'uniform') >= top1(before, 'uniform') - 0.005, JSON.stringify(after.candidates));
  const verdict = avgCkpt('verify', repaired, '--inputs', folder);
  assert.equal(verdict.status, 0, verdict.stdout + verdict.stderr);
  const step = decodeModel(repaired).metadataProps?.find(({ key }) => key === 'onnx_temper.1')?.value ?? '';
  const record = JSON.parse(step) as { chosen_by: { statistics: string }; given?: { tensors: string[] } };
  assert.equal(record.chosen_by.statistics, 'repair');
  if (after.chosen.includes('repaired') && record.given)
    assert.ok(record.given.tensors.includes('conv1.weight') && record.given.tensors.includes('conv1.weight.bias'));
  const data = ['--data', file('test-images-idx3'), '--labels', file('test-labels-idx1')];
  assert.ok(Number(evalJson([repaired, ...data, '--size', '20', ...TRANSFORM]).models[0]?.top1) > 0.8);
  assert.ok(readFileSync(repaired).length > 0 && floatsOf(repaired, 'conv1.weight').every(Number.isFinite));
});

test('--bn auto, the default with images, tries folded snapshots averaged and repaired, and never recalibrated', () => {
  const { candidates } = search(['--include', 'last', ...BN, '--allow-worse', '--out', join(root, 'auto.onnx')]);
  assert.deepEqual(new Set(candidates.map(({ bn }) => bn)), new Set(['average', 'repair']));
  const forms = candidates.filter(({ candidate }) => candidate === 'uniform').map(({ bn }) => bn);
  assert.deepEqual(forms, ['average', 'repair']);
});

test('without images, and where layers were kept, it says what to do instead', () => {
  const out = ['--out', join(root, 'no.onnx')];
  const noData = search(['--bn', 'repair', ...out], 2);
  assert.match(noData.error?.message ?? '', /--bn repair needs images/);
  const args = ['search', ...SNAPSHOTS.slice(0, 2), ...VAL, ...BN, '--size', '20', ...TRANSFORM, ...ON_CPU];
  const kept = runProgram(AVG_CKPT, [...args, '--bn', 'repair', '--json', '--quiet', ...out]);
  assert.equal(kept.status, 5, kept.stderr);
  assert.match(kept.stdout, /no convolution that BatchNormalization was folded into/);
});
