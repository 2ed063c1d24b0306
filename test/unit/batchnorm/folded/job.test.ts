import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import proto from 'onnx-proto';
import { mergeMoments, type RecalibrateOptions, recalibrate } from '../../../../src/batchnorm/index.ts';
import { FASHION, SNAPSHOTS } from '../../../support/fashion.ts';
import { foldBatchNorms } from '../../../support/fold-batchnorm.ts';
import { decodeModel } from '../../../support/model-builder.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const model = foldBatchNorms(SNAPSHOTS[0] as string, join(root, 'folded.onnx'));
const JOB = {
  model,
  data: { source: join(FASHION, 'train-2k-images-idx3-ubyte.gz') },
  samples: 48,
  batch: 16,
  threads: 1,
  workers: 1,
  transform: { preset: 'none', size: 12, mean: [0.286], std: [0.353] },
  trainSize: 20,
} as const satisfies RecalibrateOptions;
const at = (name: string): string => join(root, name);

test('a reference that is the target is refused, naming what would make a difference; nothing is written', async () => {
  await assert.rejects(recalibrate({ ...JOB, trainSize: 12, out: at('same.onnx') }), {
    code: 'USAGE',
    exitCode: 2,
    hint: /`referenceSize`.*`reference`.*`ingredients`/,
  });
  assert.throws(() => readFileSync(at('same.onnx')));
});

test('two workers and a merge give the bytes of one; a file of moments serves as the reference', async () => {
  await recalibrate({ ...JOB, out: at('one.onnx') });
  const moments = [at('0.safetensors'), at('1.safetensors')];
  await recalibrate({ ...JOB, shard: { index: 0, count: 2 }, momentsOut: moments[0] });
  await recalibrate({
    ...JOB,
    shard: { index: 1, count: 2 },
    momentsOut: moments[1],
    reference: { source: moments[0] as string },
  });
  const { result } = await mergeMoments({ moments, model, out: at('merged.onnx') });
  assert.equal(result?.layers.length, 9);
  assert.deepEqual(readFileSync(at('merged.onnx')), readFileSync(at('one.onnx')));
});

test('views of the reference alone make another goal, at the size of the target too, and are recorded', async () => {
  const referenceViews = { augment: { randomResizedCrop: { scale: [0.25, 1] }, flip: 0.5 }, count: 2 } as const;
  const { result } = await recalibrate({ ...JOB, trainSize: 12, referenceViews, out: at('views.onnx') });
  const settings = result?.settings as { reference: { views: object }; views: unknown } | undefined;
  assert.equal(settings?.views, null);
  assert.match(JSON.stringify(settings?.reference), /"count":2/);
  await recalibrate({ ...JOB, trainSize: 12, views: referenceViews, referenceSize: 20, out: at('both.onnx') });
  assert.notDeepEqual(readFileSync(at('views.onnx')), readFileSync(at('both.onnx')));
});

test('level by level works too, and the settings say what the reference was', async () => {
  const { result } = await recalibrate({ ...JOB, method: 'sequential', out: at('levels.onnx') });
  const settings = JSON.stringify(result?.settings.reference);
  assert.match(settings, /"crop":\{"height":20,"width":20\}/);
  assert.match(settings, /"n_images":48/);
});

test('the snapshots of an average must be there, or be named; the model itself may be', async () => {
  const average = decodeModel(model);
  const input = (file: string) => ({ file, sha256: 'a'.repeat(64), coefficient: 1 });
  const value = JSON.stringify({ command: 'avg-ckpt', divisor: 2, inputs: [input('a.onnx'), input('b.onnx')] });
  average.metadataProps = [{ key: 'onnx_temper.1', value }] as typeof average.metadataProps;
  const path = at('average.onnx');
  writeFileSync(path, proto.onnx.ModelProto.encode(average).finish());
  const job = { ...JOB, model: path, out: at('of-average.onnx') };
  await assert.rejects(recalibrate(job), { code: 'INPUT_NOT_FOUND', message: /a\.onnx/, hint: /`ingredients`/ });
  await recalibrate({ ...job, ingredients: [path] });
  rmSync(job.out);
  // At the size of the reference the snapshots still differ from the average.
  const { result } = await recalibrate({
    ...job,
    trainSize: 12,
    ingredients: [1, 2].map((i) => foldBatchNorms(SNAPSHOTS[i] as string, at(`${i}.onnx`))),
  });
  assert.ok(result?.written);
});
