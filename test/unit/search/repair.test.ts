import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chooseTemplate, planTensors, type Row, storedTensors } from '../../../src/average/index.ts';
import { chooseLayers, type NumberedBatch, outputMoments, type Statistics } from '../../../src/batchnorm/index.ts';
import { loadBatches, openDataset, resolveTransform } from '../../../src/data/index.ts';
import { type Model, openModel } from '../../../src/onnx/index.ts';
import { makeCandidates, modelWriter } from '../../../src/search/candidate-weights.ts';
import { inMemory, modelOf, prepareModel } from '../../../src/search/prepared-model.ts';
import { Repairer } from '../../../src/search/repair.ts';
import { RULES } from '../../support/average.ts';
import { FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { foldBatchNorms } from '../../support/fold-batchnorm.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const RUN = { device: 'cpu', threads: 2 } as const;
const ROW: Row = { kind: 'linear', name: 'weighted', coefficients: [1, 1, 2], divisor: 4 };
const opened: Model[] = [0, 2, 11].map((i) =>
  openModel(foldBatchNorms(SNAPSHOTS[i] as string, join(root, `${i}.onnx`))),
);
after(() => {
  for (const model of opened) model.close();
});

async function* batches(): AsyncGenerator<NumberedBatch> {
  const source = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
  const dataset = await openDataset(source, {});
  const transform = resolveTransform({ preset: 'none', size: 20, color: 'grey', mean: [0.286], std: [0.353] });
  const rows = Uint32Array.from({ length: 1000 }, (_, row) => row);
  let batch = 0;
  for await (const { inputs, keys } of loadBatches(dataset, {
    rows,
    transforms: [transform],
    batch: 250,
    workers: 1,
    onBadImage: 'fail',
  }))
    yield { batch: batch++, images: inputs[0], keys } as unknown as NumberedBatch;
  await dataset.close();
}

/** Mean and variance of what every convolution gives, as the network is. */
async function outputsOf(model: Model): Promise<readonly Statistics[]> {
  return (await outputMoments(model, chooseLayers(model, []).folded, { ...RUN, batches })).goals;
}

const named = (models: readonly Model[]) => ({
  path: 'snapshots',
  snapshot: async (i: number) => models[i] as Model,
});

test('after a repair every channel of every convolution has the mean and deviation of the ingredients, averaged like weights', async () => {
  const models = opened.map(inMemory);
  const at = chooseTemplate(models);
  const stored = storedTensors(models[at] as Model, planTensors(models, at, RULES).tensors, undefined);
  const prepared = prepareModel(models[at] as Model, stored);
  const { signal } = new AbortController();
  const images = { pass: batches, kept: false } as unknown as ConstructorParameters<typeof Repairer>[0]['images'];
  const writer = modelWriter(models, stored, { allowNonfinite: false, signal });
  const { candidates } = await makeCandidates({ snapshots: models.length, stored, prepared, writer }, [ROW]);
  const candidate = { ...(candidates[0] as (typeof candidates)[number]), name: 'weighted' };
  const repairer = new Repairer({ ...RUN, prepared, ...named(models), images, signal });
  assert.equal(repairer.names.length, 9);
  const repaired = await repairer.repair(candidate, ROW);
  const before = await outputsOf(modelOf(prepared, candidate, 'average'));
  const found = await outputsOf(modelOf(prepared, repaired, 'repaired'));
  const ingredients = await Promise.all(models.map(outputsOf));
  let [worst, worstBefore] = [0, 0];
  for (const [k, { mean, variance }] of found.entries()) {
    for (let c = 0; c < mean.length; c++) {
      const goal = (of: (statistics: Statistics) => number): number =>
        ROW.coefficients.reduce((sum, w, i) => sum + (w / ROW.divisor) * of(ingredients[i]![k]!), 0);
      const deviation = goal((one) => Math.sqrt(one.variance[c]!));
      const off = (s: Statistics): number =>
        Math.max(
          Math.abs(Math.sqrt(s.variance[c]!) / deviation - 1),
          Math.abs(s.mean[c]! - goal((one) => one.mean[c]!)) / deviation,
        );
      worst = Math.max(worst, off({ mean, variance }));
      worstBefore = Math.max(worstBefore, off(before[k]!));
    }
  }
  assert.ok(worst < 0.005 && worstBefore > 0.05, `${worst}, ${worstBefore} before`);
});

test('one snapshot alone is left as it is', async () => {
  const models = opened.map(inMemory);
  const stored = storedTensors(models[0] as Model, planTensors(models, 0, RULES).tensors, undefined);
  const prepared = prepareModel(models[0] as Model, stored);
  const { signal } = new AbortController();
  const images = { pass: batches, kept: false } as unknown as ConstructorParameters<typeof Repairer>[0]['images'];
  const repairer = new Repairer({ ...RUN, prepared, ...named(models), images, signal });
  const candidate = { kind: 'linear', name: 'one', graph: prepared.graph, weights: prepared.emptyWeights() };
  assert.equal(
    await repairer.repair(candidate, { kind: 'linear', name: 'one', coefficients: [0, 3, 0], divisor: 3 }),
    candidate,
  );
});
