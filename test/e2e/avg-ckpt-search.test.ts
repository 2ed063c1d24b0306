import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { readIdxLabels, splitRows } from '../../src/data/index.ts';
import { computeMetrics, evaluateModels, type LabelledBatch } from '../../src/evaluate/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { average } from '../support/average.ts';
import { CHECKPOINTS, FASHION, SNAPSHOTS, testBatches } from '../support/fashion.ts';
import { avgCkpt, type CliResult } from '../support/run-cli.ts';
import { ON_CPU } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const N_IMAGES = 1200;
const VAL = [
  ...['--val', join(FASHION, 'test-20px-images-idx3-ubyte.gz')],
  ...['--val-labels', join(FASHION, 'test-labels-idx1-ubyte.gz')],
  ...['--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353'],
] as const;
const FEW = [...VAL, '--val-rows', `0:${N_IMAGES}`] as const;
const BN = ['--train', join(FASHION, 'train-2k-images-idx3-ubyte.gz'), '--train-limit', '500'] as const;

const search = (...args: readonly string[]): CliResult => avgCkpt('search', CHECKPOINTS, ...args, ...ON_CPU);
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

interface Found {
  readonly output: { readonly path: string; readonly sha256: string };
  readonly chosen: string;
  readonly statistics: string;
  readonly better_than_best_single: boolean | null;
  readonly report_split: readonly { readonly model: string; readonly top1: number; readonly n_images: number }[];
  readonly greedy_soup: readonly string[] | null;
  readonly weights: Readonly<Record<string, number>>;
  readonly snapshot_reads: number;
  readonly evaluations: number;
  readonly from_cache: number;
  readonly candidates: readonly Readonly<Record<string, string | number | boolean>>[];
  readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
}
function searchJson(status: number, ...args: readonly string[]): Found {
  const run = search(...args, '--json', '--quiet');
  assert.equal(run.status, status, run.stderr);
  return JSON.parse(run.stdout) as Found;
}

let selectionBatch: Promise<LabelledBatch> | undefined;
/** The selection split, read without the product's loader, once. */
async function* selectionBatches(): AsyncGenerator<LabelledBatch> {
  selectionBatch ??= readSelection();
  const batch = await selectionBatch;
  yield { ...batch, images: batch.images.map((image) => ({ ...image, data: image.data.slice() })) };
}

async function readSelection(): Promise<LabelledBatch> {
  const labels = await readIdxLabels(join(FASHION, 'test-labels-idx1-ubyte.gz'));
  const table = { sample: (row: number) => ({ key: String(row).padStart(9, '0'), label: labels[row] as number }) };
  const { selection } = splitRows(
    table,
    Uint32Array.from({ length: N_IMAGES }, (_, i) => i),
    0,
  );
  for await (const { images } of testBatches(10_000)) {
    const all = images[0]?.data as Float32Array;
    const each = 400;
    const data = new Float32Array(selection.length * each);
    selection.forEach((row, i) => {
      data.set(all.subarray(row * each, (row + 1) * each), i * each);
    });
    return {
      images: [{ type: 'float32', dims: [selection.length, 1, 20, 20], data }],
      keys: [...selection].map(String),
      labels: Int32Array.from(selection, (row) => labels[row] as number),
    };
  }
  throw new Error('no images');
}

/** Accuracy of the mean of some snapshots: averaged into a file, opened, run. */
async function accuracyOf(members: readonly number[]): Promise<{ top1: number; nll: number }> {
  const path = join(root, `brute_${members.join('_')}.onnx`);
  const files = [...members].sort((a, b) => a - b).map((i) => SNAPSHOTS[i] as string);
  if (!existsSync(path)) await average(files, path);
  const session = await openSession({ model: path, device: 'cpu', threads: 1 });
  try {
    const [found] = await evaluateModels([session], selectionBatches());
    assert.ok(found);
    return computeMetrics(found.predictions);
  } finally {
    await session.close();
  }
}

test('the greedy soup is the one that a brute-force program finds with files on disk', async () => {
  const out = join(root, 'greedy.onnx');
  const found = searchJson(0, ...FEW, '--include', 'greedy', '--out', out, '--allow-worse');

  const singles = [];
  for (const i of SNAPSHOTS.keys()) singles.push({ i, ...(await accuracyOf([i])) });
  singles.sort((a, b) => b.top1 - a.top1 || a.nll - b.nll || a.i - b.i);
  const [first, ...others] = singles;
  assert.ok(first);
  let soup = [first.i];
  let best = first.top1;
  for (const { i } of others) {
    const { top1 } = await accuracyOf([...soup, i]);
    if (top1 <= best) continue;
    soup = [...soup, i];
    best = top1;
  }
  assert.deepEqual(
    found.greedy_soup,
    soup.map((i) => basename(SNAPSHOTS[i] as string)),
  );
  const single = found.candidates.find(({ candidate }) => candidate === 'epoch_14');
  const expected = singles.find(({ i }) => i === 0);
  assert.equal(single?.top1, expected?.top1);
  assert.ok(Math.abs(Number(single?.nll) - Number(expected?.nll)) < 1e-9);
});

test('one command on the fixtures: at least as accurate as the uniform average on images that chose nothing, and verifiable', () => {
  const out = join(root, 'best.onnx');
  const csv = join(root, 'candidates.csv');
  const report = join(root, 'search.html');
  const found = searchJson(0, ...VAL, '--include', 'ema,power', '--out', out, '--csv', csv, '--report', report);
  const top1 = new Map(found.report_split.map((row) => [row.model, row.top1]));
  assert.ok(Number(top1.get(found.chosen)) >= Number(top1.get('uniform')), JSON.stringify([...top1]));
  assert.equal(found.better_than_best_single, true);
  assert.equal(found.snapshot_reads, 12, 'each snapshot is read once');
  assert.equal(sha256(out), found.output.sha256);

  const verified = avgCkpt('verify', out, '--inputs', CHECKPOINTS);
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  const rows: Record<string, string>[] = parse(readFileSync(csv), { columns: true });
  assert.equal(rows.length, found.candidates.length);
  assert.equal(rows.filter(({ best }) => best === 'true').length, 1);
  const html = readFileSync(report, 'utf8');
  const headings = ['Averages beside the single snapshots', 'EMA by decay', 'Power-function EMA by width'];
  for (const text of [...headings, 'On images that chose nothing', found.chosen]) assert.ok(html.includes(text), text);
  const weights = Object.values(found.weights);
  assert.ok(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) < 1e-12);

  // A longer search goes on from the shorter one, and the same choice gives the same bytes.
  const longer = searchJson(0, ...VAL, '--include', 'ema,power', '--decay', '0.4,0.6', '--out', out, '--force');
  assert.deepEqual([longer.from_cache, longer.evaluations], [12 + 1 + 5 + 1, 1]);
  const again = searchJson(0, ...VAL, '--include', 'ema,power', '--out', out, '--force');
  assert.equal(again.evaluations, 0);
  assert.equal(again.output.sha256, found.output.sha256);
});

test('measured statistics: both forms are evaluated, the written model verifies, a changed statistic is found', () => {
  const out = join(root, 'recalibrated.onnx');
  const args = [...FEW, ...BN, '--include', 'last', '--last', '12', '--out', out, '--allow-worse'] as const;
  const auto = searchJson(0, ...args);
  assert.deepEqual(
    auto.candidates.map(({ bn }) => bn).filter((bn, i, all) => all.indexOf(bn) === i),
    ['average', 'recalibrate'],
  );
  assert.equal(auto.candidates.length, 26);
  const found = searchJson(0, ...args, '--bn', 'recalibrate', '--force');
  assert.equal(found.from_cache, 13, 'auto has measured them');
  assert.equal(found.statistics, 'recalibrate');
  const verified = avgCkpt('verify', out, '--inputs', CHECKPOINTS);
  assert.equal(verified.status, 0, verified.stdout);
  assert.match(verified.stderr, /18 tensors were measured on data/);

  const model = openModel(out);
  const variance = model.record.graph.initializers.find(({ name }) => name.endsWith('running_var'));
  assert.equal(variance?.payload.kind, 'raw');
  const changed = readFileSync(out);
  changed[variance.payload.start] = Number(changed[variance.payload.start]) ^ 1;
  model.close();
  writeFileSync(join(root, 'changed.onnx'), changed);
  const refused = avgCkpt('verify', join(root, 'changed.onnx'), '--inputs', CHECKPOINTS);
  assert.equal(refused.status, 1, refused.stderr);
  assert.match(refused.stdout, /measured on data are not those that were written/);
});

test('when no average is better beyond noise the best single snapshot is written, and the command says so', () => {
  const out = join(root, 'single.onnx');
  const few = [...VAL, '--val-rows', '0:60', '--include', 'last', '--last', '2', '--out', out] as const;
  const run = search(...few);
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /nothing is better beyond noise|no average did better/);
  const found = searchJson(0, ...few, '--force');
  assert.notEqual(found.better_than_best_single, true);
  assert.equal(Object.values(found.weights).filter((weight) => weight !== 0).length, 1);
});

test('little memory: candidates are made and evaluated in batches, with the same results', () => {
  const out = join(root, 'small.onnx');
  const args = [...VAL, '--val-rows', '0:400', '--include', 'ema', '--out', out, '--allow-worse'] as const;
  const large = searchJson(0, ...args);
  const small = searchJson(0, ...args, '--memory', '1MiB', '--cache', join(root, 'other.jsonl'), '--force');
  assert.ok(small.snapshot_reads > 12, `${small.snapshot_reads}`);
  const scores = ({ candidates }: Found) => candidates.map(({ candidate, top1, nll }) => [candidate, top1, nll]);
  assert.deepEqual(scores(small), scores(large));
  assert.equal(small.output.sha256, large.output.sha256);
});

test('what cannot work is refused before anything is evaluated', () => {
  const refused = (status: number, code: string, pattern: RegExp, ...args: readonly string[]): void => {
    const { error } = searchJson(status, ...args);
    assert.equal(error?.code, code, error?.message);
    assert.match(`${error?.message} ${error?.hint}`, pattern);
  };
  const out = ['--out', join(root, 'refused.onnx')] as const;
  refused(2, 'USAGE', /--out/, ...VAL);
  refused(2, 'USAGE', /--val/, ...out);
  refused(2, 'USAGE', /--train/, ...VAL, ...out, '--bn', 'recalibrate');
  refused(2, 'USAGE', /last, window, ema/, ...VAL, ...out, '--include', 'best');
  refused(2, 'USAGE', /2GiB/, ...VAL, ...out, '--memory', 'much');
  refused(2, 'USAGE', /--cache FOLDER/, ...VAL, '--shard', '0/2');
  refused(2, 'USAGE', /--out has no use with --shard/, ...VAL, ...out, '--shard', '0/2', '--cache', root);
  refused(3, 'OUTPUT_EXISTS', /--force/, ...VAL, '--out', join(FASHION, 'golden.json'));
  assert.ok(!existsSync(join(root, 'refused.onnx.search.jsonl')));

  const run = join(root, 'run');
  mkdirSync(run);
  for (const file of SNAPSHOTS.slice(0, 2)) copyFileSync(file, join(run, basename(file)));
  const first = join(run, basename(SNAPSHOTS[0] as string));
  const { status } = avgCkpt('search', run, ...VAL, ...ON_CPU, '--out', first, '--force');
  assert.equal(status, 3, 'a snapshot is never overwritten');
  assert.equal(sha256(first), sha256(SNAPSHOTS[0] as string));
});
