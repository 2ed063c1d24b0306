import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints, verifyAverage } from '../../../src/average/index.ts';
import { controlOf } from '../../../src/core/index.ts';
import { openModel, readPayload, tensorsOfModel } from '../../../src/onnx/index.ts';
import { makeCandidates } from '../../../src/search/candidate-weights.ts';
import { withSnapshots } from '../../../src/search/ingredients.ts';
import { valuesAt } from '../../../src/search/prepared-model.ts';
import { meanOf } from '../../../src/search/recipes.ts';
import { swag } from '../../../src/search/swag-job.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const EXPORTS = 'fixtures/exports';

/** The stored tensors of a model by name, as bytes. */
function payloads(path: string): Map<string, string> {
  const model = openModel(path);
  try {
    const tensors = [...tensorsOfModel(model.record)];
    return new Map(tensors.map((one) => [one.name, Buffer.from(readPayload(model, one)).toString('hex')]));
  } finally {
    model.close();
  }
}

const run = (network: string, exporter = 'dynamo') => {
  const folder = join(EXPORTS, network);
  const inputs = [0, 1].map((epoch) => join(folder, `epoch_${epoch}.safetensors`));
  return { folder, inputs, template: join(folder, `${exporter}.onnx`) };
};

for (const [network, exporter] of [
  ['mobile', 'dynamo'],
  ['dense', 'dynamo'],
  ['dense', 'legacy'],
  ['attention', 'legacy'],
] as const) {
  test(`${network}, ${exporter}: candidates in memory hold what the written average of the checkpoints holds, folds included`, async () => {
    const { inputs, template } = run(network, exporter);
    const out = join(root, `${network}-${exporter}.onnx`);
    await averageCheckpoints({ inputs, template, out });
    const expected = [payloads(out), payloads(template)] as const;
    const options = { inputs, template, selection: {} };
    await withSnapshots(
      inputs,
      options,
      controlOf({}),
      () => {},
      async ({ ingredients, snapshot }) => {
        const rows = [meanOf('uniform', 2, [0, 1]), meanOf('newest', 2, [1])];
        const { candidates, reads } = await makeCandidates(ingredients, rows);
        assert.equal(reads, 2);
        assert.equal((await makeCandidates(ingredients, rows.slice(1))).reads, 1);
        for (const [row, candidate] of candidates.entries()) {
          for (const [slot, { tensor }] of ingredients.stored.entries()) {
            const found = Buffer.from(valuesAt(ingredients.prepared, candidate, slot)).toString('hex');
            // The template itself may be reproduced within rounding only.
            if (row === 0 || exporter === 'dynamo') assert.equal(found, expected[row]?.get(tensor.name), tensor.name);
          }
        }
        assert.equal((await snapshot(1)).path, inputs[1]);
      },
    );
  });
}

test('a sample of no variance is the export of the mean, to the bit; samples with one are drawn from state dicts, and verify', async () => {
  const { folder, inputs, template } = run('mobile');
  const mean = await swag({ inputs, template, samples: 1, covarianceScale: 0, outDir: join(root, 'mean') });
  assert.deepEqual(payloads(mean.outputs[0]?.path ?? ''), payloads(join(folder, 'dynamo-mean.onnx')));
  const { outputs, snapshots } = await swag({ inputs, template, samples: 2, outDir: join(root, 'samples') });
  assert.deepEqual(snapshots, inputs);
  for (const { path } of [...mean.outputs, ...outputs])
    assert.deepEqual(await verifyAverage({ file: path, inputs: [folder] }), { file: path, ok: true, findings: [] });
  assert.notDeepEqual(payloads(outputs[0]?.path ?? ''), payloads(outputs[1]?.path ?? ''));
});

test('checkpoints without a graph, a template of others, and options of checkpoints for ONNX models are refused, and nothing is written', async () => {
  const { inputs, template } = run('mobile');
  const outDir = join(root, 'refused');
  await assert.rejects(swag({ inputs, samples: 1, outDir }), {
    code: 'USAGE',
    message: /cannot be run without a graph/,
  });
  const other = run('dense').template;
  await assert.rejects(swag({ inputs, template: other, samples: 1, outDir }), { code: 'MISMATCH_TENSOR' });
  const folder = join(root, 'models');
  mkdirSync(folder);
  for (const epoch of [1, 2]) copyFileSync(template, join(folder, `epoch_${epoch}.onnx`));
  const models = { inputs: [1, 2].map((epoch) => join(folder, `epoch_${epoch}.onnx`)), allowDuplicates: true };
  for (const more of [{ state: 'ema' }, { template: inputs[0] as string }])
    await assert.rejects(swag({ ...models, ...more, samples: 1, outDir }), {
      code: 'USAGE',
      message: /training checkpoints/,
    });
  assert.equal(existsSync(join(outDir, 'swag_01.onnx')), false);
});
