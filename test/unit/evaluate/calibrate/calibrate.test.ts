/** Calibration of real heads: what is written evaluates to what was foretold, the rest stays, and nothing is written in vain. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { evaluate } from '../../../../src/evaluate/index.ts';
import { type CalibrateOptions, type CalibrationRecord, calibrate } from '../../../../src/index.ts';
import { FASHION } from '../../../support/fashion.ts';
import { type Head, writeHead, writeTwoClasses } from '../../../support/heads.ts';
import { decodeModel } from '../../../support/model-builder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const folder = tempFolder();
const IMAGES = join(FASHION, 'test-images-idx3-ubyte.gz');
const VAL = { source: IMAGES, labels: join(FASHION, 'test-labels-idx1-ubyte.gz'), rows: { start: 0, end: 600 } };
const HOW = {
  transform: { preset: 'none', size: { height: 20, width: 20 }, mean: [0.286], std: [0.353] },
  device: 'cpu',
  threads: 1,
  workers: 1,
} as const;
let two = '';
before(async () => {
  two = await writeTwoClasses(folder);
});

/** A Sigmoid rounds large scores to 1, and their order is lost: with theirs as they are it does not. */
const FACTOR: Readonly<Partial<Record<Head, number>>> = { sigmoid: 1, single: 1 };

async function calibrated(
  head: Head,
  options: Partial<CalibrateOptions> = {},
): Promise<CalibrationRecord & { out: string }> {
  const out = join(folder, `${head}-${options.method ?? 'temperature'}-${options.output ?? ''}.onnx`);
  const model = writeHead(folder, head, FACTOR[head]);
  const record = await calibrate({ model, val: VAL, out, ...HOW, force: true, ...options });
  return { ...record, out };
}

/** The file that was written, on all images: the mean over the half that judged is that of its keys. */
async function nllOf(
  record: CalibrationRecord & { out: string },
  options: Partial<CalibrateOptions> = {},
): Promise<number> {
  const { models } = await evaluate({ models: [record.out], data: options.val ?? VAL, ...HOW, output: options.output });
  const predictions = models[0]!.predictions;
  const judged = new Set(record.before.predictions.keys);
  const at = predictions.keys.flatMap((key, i) => (judged.has(key) ? [i] : []));
  return at.reduce((sum, i) => sum + predictions.nll[i]!, 0) / at.length;
}

const HEADS: readonly (readonly [Head, CalibrationRecord['writtenAs'], number])[] = [
  ['gemm', 'weights', 1e-6],
  ['softmax', 'weights', 1e-6],
  ['log-softmax', 'weights', 1e-6],
  // Weights round before a Sigmoid otherwise than what was foretold.
  ['sigmoid', 'nodes', 1e-6],
  ['matmul-add', 'weights', 1e-6],
  ['qdq', 'nodes', 1e-6],
  // Whether a provider rounds to sixteen bits between nodes is its own choice: 4e-6 where it does not, 8e-5 where it does.
  ['half', 'nodes', 1e-4],
];

for (const [head, writtenAs, tolerance] of HEADS) {
  test(`${head}: the temperature of its logits, the same answers, and the file says what was foretold`, async () => {
    const record = await calibrated(head, { allowWorse: true });
    assert.ok(record.written && (record.better || FACTOR[head] === 1), record.text);
    assert.ok(Math.abs(record.temperature! / (FACTOR[head] ?? 3) - 0.792) < 0.003, String(record.temperature));
    assert.equal(record.writtenAs, writtenAs);
    assert.equal(record.difference.moved, 0);
    assert.ok(record.difference.nll.difference < 0 && record.after.metrics.ece < record.before.metrics.ece);
    const nll = await nllOf(record);
    assert.ok(Math.abs(nll - record.predictedNll) <= tolerance, `${nll} ${record.predictedNll}`);
    assert.ok(Math.abs(nll - record.after.metrics.nll) <= 1e-9);
  });
}

test('no image both fits and judges', async () => {
  const {
    fitted,
    judged,
    before: { predictions },
  } = await calibrated('gemm');
  assert.deepEqual([fitted, judged, new Set(predictions.keys).size], [300, 300, 300]);
});

test('one score of two classes: temperature and vector scaling', async () => {
  const val = { ...VAL, labels: two };
  for (const method of ['temperature', 'vector'] as const) {
    const record = await calibrated('single', { val, method, allowWorse: true });
    assert.equal(record.writtenAs, 'nodes');
    const nll = await nllOf(record, { val });
    assert.ok(Math.abs(nll - record.predictedNll) <= 1e-6, `${nll} ${record.predictedNll}`);
  }
});

for (const [head, writtenAs] of [
  ['gemm', 'weights'],
  ['matmul-add', 'weights'],
  ['conv', 'weights'],
  ['softmax', 'nodes'],
  ['sigmoid', 'nodes'],
  ['qdq', 'nodes'],
] as const) {
  test(`${head}: vector scaling is written as ${writtenAs} and says what was foretold`, async () => {
    const record = await calibrated(head, { method: 'vector', allowWorse: true });
    assert.ok(record.written, record.text);
    assert.equal(record.writtenAs, writtenAs);
    const nll = await nllOf(record);
    assert.ok(Math.abs(nll - record.predictedNll) <= 1e-6, `${nll} ${record.predictedNll}`);
  });
}

test('another output that reads the logits keeps them, and every other tensor its bytes', async () => {
  const record = await calibrated('read', { output: 'out' });
  assert.ok(record.written);
  assert.equal(record.writtenAs, 'nodes');
  const [from, to] = [decodeModel(join(folder, 'read-3.onnx')).graph!, decodeModel(record.out).graph!];
  assert.deepEqual(
    to.node!.map(({ opType }) => opType),
    [...from.node!.slice(0, -1).map(({ opType }) => opType), 'Mul', 'Softmax'],
  );
  assert.deepEqual(to.initializer!.slice(0, -1), from.initializer);
  const logits = { models: [record.out, join(folder, 'read-3.onnx')], data: VAL, ...HOW, output: 'logits' };
  const { models } = await evaluate(logits);
  assert.deepEqual(models[0]!.predictions, models[1]!.predictions);
});

test('in weights, the file differs in them and in its record alone', async () => {
  const { out } = await calibrated('softmax');
  const [from, to] = [readFileSync(join(folder, 'softmax-3.onnx')), readFileSync(out)];
  const [graph, made] = [decodeModel(join(folder, 'softmax-3.onnx')).graph!, decodeModel(out).graph!];
  assert.deepEqual(made.node, graph.node);
  const changed = graph.initializer!.filter(
    (one, i) => !Buffer.from(one.rawData!).equals(made.initializer![i]!.rawData!),
  );
  assert.equal(changed.length, 2);
  const bytes = changed.reduce((sum, { rawData }) => sum + rawData!.length, 0);
  let differing = 0;
  for (let i = 0; i < from.length; i++) if (from[i] !== to[i]) differing++;
  assert.ok(differing > 0 && differing <= bytes);
});

test('what is calibrated already is not written again: no file, unless it is allowed', async () => {
  const { out } = await calibrated('gemm');
  const again = { model: out, val: VAL, out: join(folder, 'again.onnx'), ...HOW };
  const refused = await calibrate(again);
  assert.deepEqual([refused.better, refused.written, existsSync(again.out)], [false, undefined, false]);
  assert.ok(Math.abs(refused.temperature! - 1) < 1e-5);
  const allowed = await calibrate({ ...again, allowWorse: true });
  assert.ok(allowed.written && existsSync(again.out));
  const steps = decodeModel(again.out).metadataProps!.map(({ key }) => key);
  assert.deepEqual(steps.slice(-2), ['onnx_temper.1', 'onnx_temper.2']);
});

test('a softmax that is no node of its own is refused with a reason', async () => {
  const options = { model: writeHead(folder, 'written-out'), val: VAL, out: join(folder, 'x.onnx'), ...HOW };
  await assert.rejects(calibrate(options), { code: 'UNSUPPORTED_GRAPH', message: /ends at Div/ });
});
