import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectFeatures, cutModel, initialState, labelTargets, openTrainer } from '../../../src/fixres/index.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { averageSnapshots } from '../../support/average-snapshots.ts';
import { GOLDEN } from '../../support/fashion.ts';
import { imageBatches } from '../../support/fixres.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const RUN = { device: 'cpu', threads: 2 } as const;

for (const mode of ['fc', 'paper', 'affine'] as const) {
  test(`${mode}: the epoch losses of torch`, async (t) => {
    const [path = ''] = await averageSnapshots(folder, {}, mode);
    const model = openModel(path);
    const cut = cutModel(model, mode, 'logits');
    const { cache, labels } = await collectFeatures(
      model,
      { names: cut.tail.inputs, memoryBytes: 2 ** 30, folder, expectedRows: 2000 },
      { ...RUN, batches: imageBatches('train-2k', 100) },
    );
    const state = initialState(cut);
    const trainer = await openTrainer(cut, cache, 1, labelTargets(labels!, 10, 0), state, {
      ...RUN,
      epochs: 4,
      batch: 100,
      lr: 0.01,
      momentum: 0.9,
      weightDecay: 1e-4,
      schedule: 'step',
      shuffle: undefined,
      temperature: 1,
    });
    const losses: number[] = [];
    for (let epoch = 0; epoch < 4; epoch++) losses.push((await trainer.epoch(state)).train_loss);
    await trainer.close();
    const expected = (GOLDEN as never as Record<string, { losses: number[] }>)[`fixres_${mode}_28`]!.losses;
    t.diagnostic(`${losses.map((loss, i) => (loss / expected[i]! - 1).toExponential(1)).join(' ')}`);
    for (const [i, loss] of losses.entries())
      assert.ok(Math.abs(loss / expected[i]! - 1) < 1e-5, `${loss} ${expected[i]}`);
    model.close();
  });
}
