/** The evaluation pipeline against torch: IDX images of 28 px, our decoding, resizing and batches, our scores. */
import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Dataset, loadBatches, openDataset, resolveTransform, type Transform } from '../../src/data/index.ts';
import { computeMetrics, evaluateModels, type LabelledBatch } from '../../src/evaluate/index.ts';
import { classOutput, openSession, readClassOutput, type Session, type Tensor } from '../../src/runtime/index.ts';
import { imageInput } from '../../src/signature/index.ts';
import { averageSnapshots } from '../support/average-snapshots.ts';
import { FASHION, GOLDEN, type GoldenScore, SNAPSHOTS } from '../support/fashion.ts';
import { tempFolder } from '../support/temp-folder.ts';

const DECAYS = [0.5, 0.8, 0.9];
const SIZES = [12, 16, 20, 24, 28, 32, 36];
const folder = tempFolder();

/** `--preset none --size S --interpolation bilinear --mean 0.2860 --std 0.3530` */
const transform = (size: number): Transform =>
  resolveTransform({
    preset: 'none',
    size,
    interpolation: 'bilinear',
    mean: [0.286],
    std: [0.353],
    color: 'grey',
  });

interface Case {
  readonly model: string;
  readonly size: number;
  readonly golden: GoldenScore | undefined;
}

let dataset: Dataset;
let uniform = '';
let cases: Case[] = [];
before(async () => {
  dataset = await openDataset(join(FASHION, 'test-images-idx3-ubyte.gz'), {
    labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
    requireLabels: true,
  });
  [uniform = ''] = await averageSnapshots(folder, {});
  const debiased = await averageSnapshots(folder, { decay: DECAYS });
  const fromFirst = await averageSnapshots(folder, { decay: DECAYS, fromFirst: true }, 'first-');
  cases = [
    ...SNAPSHOTS.map((model) => ({ model, size: 20, golden: GOLDEN.single[basename(model, '.onnx')] })),
    ...DECAYS.flatMap((decay, d) => [
      { model: debiased[d] as string, size: 20, golden: GOLDEN[`ema_${decay}_debiased`] },
      { model: fromFirst[d] as string, size: 20, golden: GOLDEN[`ema_${decay}_from_first`] },
    ]),
    ...SIZES.map((size) => ({ model: uniform, size, golden: GOLDEN.sweep[size]?.uniform })),
  ];
});
after(() => dataset.close());

async function withSessions<T>(models: readonly string[], use: (sessions: Session[]) => Promise<T>): Promise<T> {
  const sessions = await Promise.all(models.map((model) => openSession({ model, device: 'cpu', threads: 1 })));
  try {
    return await use(sessions);
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}

async function* batches(rows: number, sizes: readonly number[]): AsyncGenerator<LabelledBatch> {
  const loaded = loadBatches(dataset, {
    rows: Uint32Array.from({ length: rows }, (_, row) => row),
    transforms: sizes.map(transform),
    batch: 250,
    workers: 1,
    onBadImage: 'fail',
  });
  for await (const { inputs, keys, labels } of loaded) {
    yield { images: inputs as readonly Tensor[], keys, labels: labels as Int32Array };
  }
}

test('top-1, top-5 equal torch and NLL is within 1e-6: 12 snapshots, 6 EMAs, the average at 7 sizes, in one pass', async () => {
  assert.deepEqual([cases.length, dataset.length], [25, 10_000]);
  await withSessions(
    cases.map(({ model }) => model),
    async (sessions) => {
      const evaluations = await evaluateModels(sessions, batches(dataset.length, SIZES), {
        images: cases.map(({ size }) => SIZES.indexOf(size)),
      });
      for (const [i, { predictions }] of evaluations.entries()) {
        const { model, size, golden } = cases[i] as Case;
        const what = `${basename(model)} at ${size} px`;
        const metrics = computeMetrics(predictions);
        assert.deepEqual([metrics.n, metrics.top1, metrics.top5], [10_000, golden?.top1, golden?.top5], what);
        const difference = Math.abs(metrics.nll - (golden?.nll ?? Number.NaN));
        assert.ok(difference < 1e-6, `${what}: NLL ${metrics.nll}, torch ${golden?.nll}`);
      }
    },
  );
});

test("the average's logits of the first 100 images are within 1e-5 of torch's", async () => {
  await withSessions([uniform], async ([session]) => {
    assert.ok(session);
    const [input, output] = [imageInput(session), classOutput(session)];
    for await (const { images, keys } of batches(100, [20])) {
      const image = images[0] as Tensor;
      const { outputs } = await session.run({ [input.name]: image });
      const { data } = readClassOutput(session, output, outputs, keys.length);
      const golden = GOLDEN.uniform_logits_100.flat();
      assert.deepEqual([data.length, golden.length], [1000, 1000]);
      const worst = golden.reduce((most, logit, i) => Math.max(most, Math.abs(logit - (data[i] as number))), 0);
      assert.ok(worst < 1e-5, `largest difference ${worst}`);
    }
  });
});
