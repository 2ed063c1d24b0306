import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findLayers } from '../../../../src/batchnorm/index.ts';
import { decodeFloats, openModel, readPayload } from '../../../../src/onnx/index.ts';
import { imagesOf, recalibrateFile } from '../../../support/batchnorm.ts';
import { SNAPSHOTS } from '../../../support/fashion.ts';
import { foldBatchNorms } from '../../../support/fold-batchnorm.ts';
import { recalibrateFolded, worstOff } from '../../../support/recalibrate-folded.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();

test('a network whose statistics are those of the reference gives the same, kept and folded: mean β and deviation |γ| in every channel', async () => {
  const [reference, target] = [imagesOf(1, [64, 1, 20, 20]), imagesOf(2, [64, 1, 12, 12])];
  const kept = join(root, 'kept.onnx');
  await recalibrateFile(SNAPSHOTS[0] as string, kept, reference, { batch: 64 });
  const folded = openModel(foldBatchNorms(kept, join(root, 'folded.onnx')));
  const run = await recalibrateFolded(folded, reference, target);
  assert.ok(worstOff(run) < 0.01, `${worstOff(run)} from the goals`);
  const model = openModel(kept);
  const { layers } = findLayers(model);
  assert.equal(run.names.length, layers.length);
  for (const [k, { name, scale, bias }] of layers.entries()) {
    const [gamma, beta] = [scale, bias].map((parameter) =>
      decodeFloats(readPayload(model, parameter!.tensor), parameter!.tensor.dataType, name),
    ) as [Float64Array, Float64Array];
    for (const [c, mean] of run.after[k]!.mean.entries()) {
      const deviation = Math.abs(gamma[c]!);
      // A channel that hardly varies is held back by epsilon.
      const isAlive = Math.sqrt(run.goals[k]!.variance[c]!) > 0.99 * deviation;
      assert.ok(Math.abs(mean - beta[c]!) < 1e-3 * deviation, `${name} channel ${c}: mean ${mean}, not ${beta[c]}`);
      const ratio = Math.sqrt(run.after[k]!.variance[c]!) / deviation;
      assert.ok(!isAlive || Math.abs(ratio - 1) < 0.01, `${name} channel ${c}: deviation ${ratio}`);
    }
  }
  model.close();
  folded.close();
});
