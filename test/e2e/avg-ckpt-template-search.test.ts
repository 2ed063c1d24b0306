import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { compareUtf8 } from '../../src/core/index.ts';
import { decodeFloats, openModel, provenanceSteps, readPayload } from '../../src/onnx/index.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { rawOf } from '../support/model-builder.ts';
import { avgCkpt, BN_RECAL, runProgram } from '../support/run-cli.ts';
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

const MOBILE = 'fixtures/exports/mobile';
const onMobile = (template: string): readonly string[] => [
  ...[join(MOBILE, 'epoch_0.safetensors'), join(MOBILE, 'epoch_1.safetensors')],
  ...['--template', join(MOBILE, template), '--val', IMAGES, '--val-labels', LABELS, '--val-rows', '0:200'],
  ...['--train', join(FASHION, 'train-2k-images-idx3-ubyte.gz'), '--train-limit', '100'],
  ...['--preset', 'none', '--size', '16', '--include', 'last', '--allow-worse'],
];

test('a template that BatchNorm was folded into is searched as it is, repaired, and with exact statistics, and every output verifies', () => {
  for (const [bn, forms] of [
    ['average', ['average']],
    ['repair', ['repair']],
    ['recalibrate', ['recalibrate']],
    ['auto', ['average', 'recalibrate']],
  ] as const) {
    const out = join(root, `${bn}.onnx`);
    const { candidates } = search(...onMobile('dynamo.onnx'), '--bn', bn, '--out', out);
    assert.deepEqual([...new Set(candidates.map(({ candidate }) => candidate))], ['epoch_0', 'epoch_1', 'uniform']);
    assert.deepEqual([...new Set(candidates.map((one) => String(one.bn)))].toSorted(compareUtf8), forms);
    assert.equal(avgCkpt('verify', out, '--inputs', MOBILE).status, 0);
  }
});

test('candidates get the statistics through a template that folded all layers that they get through one that keeps some', () => {
  const found = ['dynamo', 'legacy'].map((exporter) => {
    const out = join(root, `exact-${exporter}.onnx`);
    return search(...onMobile(`${exporter}.onnx`), '--bn', 'recalibrate', '--out', out);
  });
  const [a, b] = found.map(({ candidates }) => candidates);
  for (const [i, one] of a!.entries()) {
    assert.equal(one.top1, b![i]!.top1);
    assert.ok(Math.abs(Number(one.nll) - Number(b![i]!.nll)) < 1e-5, `${one.candidate}: ${one.nll}, ${b![i]!.nll}`);
  }
  // What was chosen is what bn-recal makes of it: a mean of all is the average state dict.
  const average = join(root, 'mean.safetensors');
  assert.equal(avgCkpt(...onMobile('').slice(0, 2), '--out', average).status, 0);
  const template = ['--template', join(MOBILE, 'dynamo.onnx'), '--template-of', join(MOBILE, 'epoch_1.safetensors')];
  const images = [
    '--data',
    join(FASHION, 'train-2k-images-idx3-ubyte.gz'),
    '--limit',
    '100',
    '--preset',
    'none',
    '--size',
    '16',
  ];
  const out = join(root, 'mean-bn.onnx');
  const ran = runProgram(BN_RECAL, [average, ...template, ...images, '--out', out, '--quiet', ...ON_CPU]);
  assert.equal(ran.status, 0, ran.stderr);
  const uniform = a!.find(({ candidate }) => candidate === 'uniform')!;
  const searched = found[0]!.report_split.map(({ model, nll }) => [String(model), Number(nll)] as const);
  const [, reported] = searched.find(([model]) => model.startsWith('uniform'))!;
  const { models } = evalJson([
    out,
    '--data',
    IMAGES,
    '--labels',
    LABELS,
    '--rows',
    '0:200',
    '--preset',
    'none',
    '--size',
    '16',
  ]);
  // The halves that chose and reported, together.
  assert.ok(Math.abs((Number(uniform.nll) + reported) / 2 - Number(models[0]?.nll)) < 2e-5);
});
