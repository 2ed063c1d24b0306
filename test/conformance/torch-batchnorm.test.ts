import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import {
  type BatchNormLayer,
  type EstimatorName,
  findLayers,
  type MeasuredLayer,
  recalibrateByBatch,
  statisticsEdits,
} from '../../src/batchnorm/index.ts';
import { loadBatches, openDataset, resolveTransform, selectRows } from '../../src/data/index.ts';
import { computeMetrics, evaluateModels, type LabelledBatch } from '../../src/evaluate/index.ts';
import { openModel, writeEdited } from '../../src/onnx/index.ts';
import { openSession, type Tensor } from '../../src/runtime/index.ts';
import { average } from '../support/average.ts';
import { FASHION, GOLDEN, type GoldenScore, SNAPSHOTS } from '../support/fashion.ts';
import { atLeast } from '../support/long.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Golden {
  readonly update_bn_clean: GoldenScore & { readonly stats: Readonly<Record<string, readonly number[]>> };
  readonly population_bn_clean: Golden['update_bn_clean'];
  readonly sweep: Readonly<Record<string, { readonly recalibrated_at_size: GoldenScore }>>;
}
const golden = GOLDEN as unknown as Golden;

const folder = tempFolder();
const uniform = join(folder, 'uniform.onnx');
before(() => average(SNAPSHOTS, uniform));

/** Images at a size as golden.py made them: Pillow's bilinear, normalised. */
async function* images(name: string, size: number, batch: number): AsyncGenerator<LabelledBatch> {
  const labels = join(FASHION, `${name}-labels-idx1-ubyte.gz`);
  const dataset = await openDataset(join(FASHION, `${name}-images-idx3-ubyte.gz`), { labels, requireLabels: true });
  const transform = resolveTransform({ preset: 'none', size, mean: [0.286], std: [0.353], color: 'grey' });
  try {
    for await (const { inputs, keys, labels: truth } of loadBatches(dataset, {
      rows: selectRows(dataset, {}),
      transforms: [transform],
      batch,
      workers: 2,
      onBadImage: 'fail',
    })) {
      yield { images: inputs as Tensor[], keys, labels: truth as Int32Array };
    }
  } finally {
    await dataset.close();
  }
}

/** Recalibrates the uniform average over the 2,000 training images, batches of 250 in table order. */
async function recalibrate(name: EstimatorName, size: number, out: string): Promise<readonly MeasuredLayer[]> {
  const model = openModel(uniform);
  try {
    const { layers } = findLayers(model);
    const { measured } = await recalibrateByBatch(model, layers, name, {
      device: 'cpu',
      async *batches() {
        let number = 0;
        for await (const batch of images('train-2k', size, 250))
          yield { batch: number++, images: batch.images[0] as Tensor };
      },
    });
    const { edits, inline } = statisticsEdits(model, measured);
    writeEdited(model, edits, { path: out, force: false, inline, metadata: { key: 'onnx_temper.2', value: '{}' } });
    return measured;
  } finally {
    model.close();
  }
}

async function scoreOf(path: string, size: number): Promise<GoldenScore> {
  const session = await openSession({ model: path, device: 'cpu' });
  try {
    const [evaluation] = await evaluateModels([session], images('test', size, 500));
    return computeMetrics((evaluation as NonNullable<typeof evaluation>).predictions);
  } finally {
    await session.close();
  }
}

const worst = { mean: 0, variance: 0 };
/** Every channel: the mean within 2e-6 running standard deviations, the variance within 5e-6 of itself. */
function assertStatistics(
  { name, epsilon }: BatchNormLayer,
  measured: MeasuredLayer,
  stats: Golden['update_bn_clean']['stats'],
) {
  const mean = stats[`${name}.running_mean`] ?? assert.fail(`golden.json has no ${name}`);
  const variance = stats[`${name}.running_var`] ?? assert.fail(`golden.json has no ${name}`);
  assert.equal(measured.statistics.mean.length, mean.length);
  for (const [c, expected] of variance.entries()) {
    const shift =
      Math.abs((measured.statistics.mean[c] as number) - (mean[c] as number)) / Math.sqrt(expected + epsilon);
    const ratio = Math.abs((measured.statistics.variance[c] as number) / expected - 1);
    assert.ok(shift < 2e-6, `${name} channel ${c}: mean off by ${shift} standard deviations`);
    assert.ok(ratio < 5e-6, `${name} channel ${c}: variance off by ${ratio}`);
    worst.mean = Math.max(worst.mean, shift);
    worst.variance = Math.max(worst.variance, ratio);
  }
}

for (const [key, name] of [
  ['update_bn_clean', 'torch'],
  ['population_bn_clean', 'population'],
] as const) {
  test(`${name}: every channel of nine layers, and top-1, as torch has them (${key})`, async () => {
    const out = join(folder, `${key}.onnx`);
    const measured = await recalibrate(name, 20, out);
    assert.equal(measured.length, 9);
    for (const one of measured) assertStatistics(one.layer, one, golden[key].stats);
    const score = await scoreOf(out, 20);
    assert.deepEqual([score.top1, score.top5], [golden[key].top1, golden[key].top5]);
    assert.ok(Math.abs(score.nll - golden[key].nll) < 1e-5, `NLL ${score.nll}, torch ${golden[key].nll}`);
    console.log(
      `${name}: mean within ${worst.mean.toExponential(1)} sd, variance within ${worst.variance.toExponential(1)}`,
    );
  });
}

test('statistics of other sizes (all six in the long suite): top-1 at that size is as torch has it, NLL within 1e-5', async () => {
  const sizes = Object.keys(golden.sweep).map(Number);
  assert.deepEqual(sizes, [12, 16, 20, 24, 28, 32, 36]);
  // The seventh, 20 px, is population_bn_clean.
  assert.equal(golden.sweep['20']?.recalibrated_at_size.nll, golden.population_bn_clean.nll);
  for (const size of atLeast(sizes, 12, 28).filter((other) => other !== 20)) {
    const out = join(folder, `size-${size}.onnx`);
    await recalibrate('population', size, out);
    const { top1, nll } = await scoreOf(out, size);
    const expected = golden.sweep[size]?.recalibrated_at_size;
    assert.equal(top1, expected?.top1, `${size} px`);
    assert.ok(Math.abs(nll - (expected?.nll ?? Number.NaN)) < 1e-5, `${size} px: NLL ${nll}, torch ${expected?.nll}`);
  }
});
