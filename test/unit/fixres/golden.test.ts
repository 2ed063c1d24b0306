import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { computeMetrics, evaluateModels, type LabelledBatch } from '../../../src/evaluate/index.ts';
import { cutModel } from '../../../src/fixres/cut/cut.ts';
import { collectFeatures } from '../../../src/fixres/train/collect-features.ts';
import { fit } from '../../../src/fixres/train/fit.ts';
import { labelTargets } from '../../../src/fixres/train/targets.ts';
import { initialState, openTrainer } from '../../../src/fixres/train/train.ts';
import { tunedEdits } from '../../../src/fixres/write-back.ts';
import { openModel, writeEdited } from '../../../src/onnx/index.ts';
import { openSession } from '../../../src/runtime/index.ts';
import { averageSnapshots } from '../../support/average-snapshots.ts';
import { GOLDEN, type GoldenScore } from '../../support/fashion.ts';
import { imageBatches } from '../../support/fixres.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const RUN = { device: 'cpu', threads: 2 } as const;
const EPOCHS = 4;
const RELATIVE = 1e-5;
const ONE_IMAGE = 1 / 10_000;

interface GoldenRun extends GoldenScore {
  readonly losses: readonly number[];
}

async function* testImages(): AsyncGenerator<LabelledBatch> {
  for await (const { images, keys, labels } of imageBatches('test', 500)) {
    yield { images: [images], keys, labels: labels ?? [] };
  }
}

async function scoresOf(path: string) {
  const session = await openSession({ model: path, ...RUN });
  try {
    const [evaluation] = await evaluateModels([session], testImages());
    return computeMetrics(evaluation!.predictions);
  } finally {
    await session.close();
  }
}

for (const mode of ['fc', 'paper', 'affine'] as const) {
  test(`${mode} at 28 px: torch's losses epoch by epoch, and its top-1 of the file that is written`, async (t) => {
    const golden = (GOLDEN as unknown as Record<string, GoldenRun>)[`fixres_${mode}_28`]!;
    const [path = ''] = await averageSnapshots(folder, {}, mode);
    const model = openModel(path);
    try {
      const cut = cutModel(model, mode, 'logits');
      const { cache, labels } = await collectFeatures(
        model,
        { names: cut.tail.inputs, memoryBytes: 2 ** 30, folder, expectedRows: 2000 },
        { ...RUN, batches: imageBatches('train-2k', 100) },
      );
      const start = initialState(cut);
      const trainer = await openTrainer(
        cut,
        cache,
        { count: 1, order: 'by-view' },
        labelTargets(labels!, 10, 0),
        start,
        {
          ...RUN,
          epochs: EPOCHS,
          batch: 100,
          lr: 0.01,
          momentum: 0.9,
          weightDecay: 1e-4,
          schedule: 'step',
          shuffle: undefined,
          temperature: 1,
        },
      );
      const { state, history } = await fit(trainer, start, {
        epochs: EPOCHS,
        run: '',
        checkpoint: undefined,
        patience: undefined,
        validate: undefined,
      });
      await trainer.close();
      cache.close();
      const errors = history.map(({ train_loss }, i) => train_loss / golden.losses[i]! - 1);
      t.diagnostic(`relative errors of the losses: ${errors.map((error) => error.toExponential(1)).join(', ')}`);
      assert.equal(errors.length, EPOCHS);
      for (const error of errors) assert.ok(Math.abs(error) < RELATIVE);
      const { edits, inline } = tunedEdits(model, cut, state);
      const out = join(folder, `${mode}-tuned.onnx`);
      writeEdited(model, edits, { path: out, force: false, inline, metadata: { key: 'test', value: '' } });
      const { top1, nll } = await scoresOf(out);
      t.diagnostic(`top-1 ${top1}, torch ${golden.top1}; NLL ${nll}, torch ${golden.nll}`);
      assert.ok(Math.abs(top1 - golden.top1) <= ONE_IMAGE * 1.001);
      assert.ok(Math.abs(nll / golden.nll - 1) < RELATIVE);
    } finally {
      model.close();
    }
  });
}
