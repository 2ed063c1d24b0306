import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { readIdxImages, readIdxLabels } from '../../../src/data/index.ts';
import { computeMetrics, type Evaluation, evaluateModels, type LabelledBatch } from '../../../src/evaluate/index.ts';
import { openSession, type Session, type Tensor } from '../../../src/runtime/index.ts';

const FASHION = 'fixtures/fashion';
const NAMES = ['epoch_14', 'epoch_22', 'epoch_25'];
/** Made by fixtures/fashion/make/logits.py. */
const logits: Record<string, number[][]> = JSON.parse(readFileSync(`${FASHION}/logits.json`, 'utf8'));
const golden = JSON.parse(readFileSync(`${FASHION}/golden.json`, 'utf8'));

/** (x / 255 - mean) / std, each step rounded to float32 as torch does. */
function normalised(): Float32Array {
  const [mean, std] = [Math.fround(0.286), Math.fround(0.353)];
  return Float32Array.from({ length: 256 }, (_, x) => Math.fround(Math.fround(x / 255) - mean) / std);
}

async function* batches(size: number): AsyncGenerator<LabelledBatch> {
  const images = await readIdxImages(`${FASHION}/test-20px-images-idx3-ubyte.gz`);
  const labels = await readIdxLabels(`${FASHION}/test-labels-idx1-ubyte.gz`);
  const table = normalised();
  const pixels = images.height * images.width;
  for (let from = 0; from < images.count; from += size) {
    const to = Math.min(from + size, images.count);
    const data = Float32Array.from(images.data.subarray(from * pixels, to * pixels), (x) => table[x] as number);
    yield {
      images: { type: 'float32', dims: [to - from, 1, images.height, images.width], data },
      keys: Array.from({ length: to - from }, (_, i) => String(from + i).padStart(8, '0')),
      labels: labels.subarray(from, to),
    };
  }
}

let sessions: Session[] = [];
let evaluations: Evaluation[] = [];
before(async () => {
  const open = (name: string) => openSession({ model: `${FASHION}/checkpoints/${name}.onnx`, device: 'cpu' });
  sessions = await Promise.all(NAMES.map(open));
  // 300 does not divide 10,000: the last batch is short.
  evaluations = await evaluateModels(sessions, batches(300));
});
after(() => Promise.all(sessions.map((session) => session.close())));

for (const [i, name] of NAMES.entries()) {
  test(`${name}: top-1 and top-5 equal torch's, NLL within 1e-6`, () => {
    const { predictions, outputs } = evaluations[i] as Evaluation;
    const metrics = computeMetrics(predictions);
    const expected = golden.single[name];
    assert.equal(metrics.n, 10000);
    assert.equal(outputs, 'logits');
    assert.equal(metrics.top1, expected.top1);
    assert.equal(metrics.top5, expected.top5);
    assert.ok(Math.abs(metrics.nll - expected.nll) < 1e-6, `${metrics.nll} against ${expected.nll}`);
  });

  test(`${name}: the logits of the first 100 images are within 1e-5 of torch's`, async () => {
    const first = (await batches(100).next()).value as LabelledBatch;
    const { outputs } = await (sessions[i] as Session).run({ input: first.images });
    const { data } = outputs.logits as Tensor;
    const expected = (logits[name] as number[][]).flat();
    assert.equal(data.length, expected.length);
    for (const [at, value] of expected.entries()) assert.ok(Math.abs((data[at] as number) - value) < 1e-5);
  });
}
