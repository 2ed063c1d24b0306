import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { decodeFloats, openModel, provenanceSteps, readPayload } from '../../src/onnx/index.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { rawOf } from '../support/model-builder.ts';
import { avgCkpt } from '../support/run-cli.ts';
import { evalJson, ON_CPU } from '../support/run-eval.ts';
import { stateFile } from '../support/state-tables.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const LABELS = join(FASHION, 'test-labels-idx1-ubyte.gz');
const IMAGES = join(FASHION, 'test-20px-images-idx3-ubyte.gz');
const NEWEST = SNAPSHOTS.slice(-4);
const TEMPLATE = NEWEST.at(-1) as string;

/** Weights of an ONNX snapshot as a checkpoint: the mean over them is the same. */
function checkpoint(path: string, folder: string): string {
  const model = openModel(path);
  try {
    const tensors = [...model.record.graph.initializers].flatMap(({ name, dims, dataType, ...rest }) =>
      dataType === 1
        ? [[name, { dims, values: [...decodeFloats(readPayload(model, { name, dims, dataType, ...rest }), 1, name)] }]]
        : [],
    );
    const to = join(folder, basename(path).replace('.onnx', '.safetensors'));
    stateFile(to, Object.fromEntries(tensors)).close();
    return to;
  } finally {
    model.close();
  }
}

/** The first tensor whose values were measured. */
function firstMean(path: string): string {
  const model = openModel(path);
  try {
    const record = JSON.parse(provenanceSteps(model.record).at(-1)?.value ?? '') as { given: { tensors: string[] } };
    return record.given.tensors[0] ?? '';
  } finally {
    model.close();
  }
}

interface Found {
  readonly chosen: string;
  readonly statistics: string;
  readonly output: { readonly path: string };
  readonly weights: Readonly<Record<string, number>>;
  readonly report_split: readonly Readonly<Record<string, unknown>>[];
  readonly candidates: readonly Readonly<Record<string, unknown>>[];
}
const search = (...args: readonly string[]): Found => {
  const ran = avgCkpt('search', ...args, ...ON_CPU, '--json', '--quiet');
  assert.equal(ran.status, 0, ran.stderr + ran.stdout);
  return JSON.parse(ran.stdout) as Found;
};

test('a search over checkpoints finds what the search over their exports finds, writes it into the template, and it verifies', () => {
  const folder = join(root, 'run');
  mkdirSync(folder);
  for (const path of NEWEST) checkpoint(path, folder);
  const settings = [
    ...['--val', IMAGES, '--val-labels', LABELS, '--val-rows', '0:400'],
    ...['--train', join(FASHION, 'train-2k-images-idx3-ubyte.gz'), '--train-limit', '200'],
    ...['--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353'],
    ...['--include', 'last,ema,greedy', '--decay', '0.5', '--bn', 'recalibrate', '--allow-worse'],
  ];
  const exported = search(...NEWEST, ...settings, '--out', join(root, 'exported.onnx'));
  const out = join(root, 'mapped.onnx');
  const mapped = search(folder, '--template', TEMPLATE, ...settings, '--out', out);
  assert.equal(mapped.chosen, exported.chosen);
  assert.equal(mapped.statistics, 'recalibrate');
  assert.deepEqual(mapped.candidates, exported.candidates);
  assert.deepEqual(Object.values(mapped.weights), Object.values(exported.weights));
  const data = ['--data', IMAGES, '--labels', LABELS, '--rows', '0:400'] as const;
  const { models } = evalJson([exported.output.path, out, ...data]);
  assert.deepEqual([models[1]?.top1, models[1]?.nll], [models[0]?.top1, models[0]?.nll]);
  const verified = avgCkpt(
    'verify',
    out,
    '--inputs',
    folder,
    '--inputs',
    FASHION,
    '--inputs',
    join(FASHION, 'checkpoints'),
  );
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  assert.match(verified.stderr, /18 tensors were measured on data/);
  const bytes = readFileSync(out);
  bytes[bytes.indexOf(rawOf(out, firstMean(out))) + 9]! ^= 1;
  writeFileSync(out, bytes);
  const changed = avgCkpt('verify', out, '--inputs', folder, '--inputs', join(FASHION, 'checkpoints'));
  assert.equal(changed.status, 1, changed.stdout + changed.stderr);
  assert.match(changed.stdout + changed.stderr, /are not those that were written \(SHA-256 differs\)/);
});

test('a template that BatchNorm was folded into is searched as it is, and repaired, and its statistics are not asked for in vain', () => {
  const folder = 'fixtures/exports/mobile';
  const args = [
    ...[join(folder, 'epoch_0.safetensors'), join(folder, 'epoch_1.safetensors')],
    ...['--template', join(folder, 'dynamo.onnx'), '--val', IMAGES, '--val-labels', LABELS, '--val-rows', '0:200'],
    ...['--train', join(FASHION, 'train-2k-images-idx3-ubyte.gz'), '--train-limit', '100'],
    ...['--preset', 'none', '--size', '16', '--include', 'last', '--allow-worse'],
  ];
  for (const bn of ['average', 'repair']) {
    const out = join(root, `${bn}.onnx`);
    const { candidates } = search(...args, '--bn', bn, '--out', out);
    assert.deepEqual(
      candidates.map(({ candidate }) => candidate),
      ['epoch_0', 'epoch_1', 'uniform'],
    );
    assert.equal(avgCkpt('verify', out, '--inputs', folder).status, 0);
  }
  const refused = avgCkpt('search', ...args, '--bn', 'recalibrate', '--out', join(root, 'refused.onnx'), ...ON_CPU);
  assert.equal(refused.status, 5, refused.stderr);
  assert.match(refused.stderr, /mobile\/dynamo\.onnx: has no BatchNormalization.*\n.*optimize=False/);
});
