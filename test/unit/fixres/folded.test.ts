import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import proto from 'onnx-proto';
import { loadBatches, openDataset, resolveTransform } from '../../../src/data/index.ts';
import { cutModel, type Mode } from '../../../src/fixres/cut/cut.ts';
import { collectFeatures, type ImageBatch } from '../../../src/fixres/train/collect-features.ts';
import { fit } from '../../../src/fixres/train/fit.ts';
import { layerMoments, setFoldedLayer, setStatistics } from '../../../src/fixres/train/layer-moments.ts';
import { labelTargets } from '../../../src/fixres/train/targets.ts';
import { initialState, openTrainer } from '../../../src/fixres/train/train.ts';
import { tunedEdits } from '../../../src/fixres/write-back.ts';
import { applyEdits, type Model, openModel } from '../../../src/onnx/index.ts';
import { openSession, type Tensor } from '../../../src/runtime/index.ts';
import { averageSnapshots } from '../../support/average-snapshots.ts';
import { FASHION } from '../../support/fashion.ts';
import { decodeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const RUN = { device: 'cpu', threads: 2 } as const;
const IMAGES = 600;
const LAYER = 'layer3.bn2';

async function* batches(size: number): AsyncGenerator<ImageBatch> {
  const source = join(FASHION, 'train-2k-images-idx3-ubyte.gz');
  const dataset = await openDataset(source, { labels: join(FASHION, 'train-2k-labels-idx1-ubyte.gz') });
  const transform = resolveTransform({ preset: 'none', size, color: 'grey', mean: [0.286], std: [0.353] });
  const rows = Uint32Array.from({ length: IMAGES }, (_, row) => row);
  const loaded = loadBatches(dataset, { rows, transforms: [transform], batch: 100, workers: 1, onBadImage: 'fail' });
  for await (const { inputs, keys, labels } of loaded) yield { images: inputs[0] as Tensor, keys, labels };
  await dataset.close();
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);

/** What an exporter does: the BatchNormalization becomes a part of the convolution before it. */
function fold(from: string, to: string): void {
  const model = decodeModel(from);
  const [nodes, tensors] = [model.graph!.node!, model.graph!.initializer!];
  const values = (name: string) => floats(tensors.find((tensor) => tensor.name === name)!.rawData!);
  const norm = nodes.find(({ input }) => input?.[1] === `${LAYER}.weight`)!;
  const conv = nodes.find(({ output }) => output?.[0] === norm.input![0])!;
  const [scale, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map((part) =>
    values(`${LAYER}.${part}`),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const a = Array.from(scale, (value, c) => value / Math.sqrt(variance[c]! + 1e-5));
  const weight = tensors.find(({ name }) => name === conv.input![1])!;
  const old = floats(weight.rawData!);
  const each = old.length / a.length;
  weight.rawData = new Uint8Array(Float32Array.from(old, (value, i) => value * a[Math.floor(i / each)]!).buffer);
  const shift = Float32Array.from(bias, (value, c) => value - a[c]! * mean[c]!);
  tensors.push({ name: 'folded.bias', dims: [a.length], dataType: 1, rawData: new Uint8Array(shift.buffer) });
  conv.input = [...conv.input!, 'folded.bias'];
  conv.output = norm.output!;
  nodes.splice(nodes.indexOf(norm), 1);
  writeFileSync(to, proto.onnx.ModelProto.encode(model).finish());
}

/** Scores of the training images at 28 px. */
async function scoresOf(model: Model, edits: Parameters<typeof applyEdits>[1]): Promise<number[]> {
  const session = await openSession({ model: applyEdits(model, edits), ...RUN, label: 'model' });
  const found: number[] = [];
  for await (const { images } of batches(28)) {
    const { outputs } = await session.run({ [session.inputs[0]!.name]: images });
    found.push(...(outputs.logits!.data as Float32Array));
  }
  await session.close();
  return found;
}

/** Tunes a file from 20 to 28 px, as the command does. */
async function tuned(path: string, mode: Mode): Promise<{ scores: number[]; kind: string | undefined }> {
  const model = openModel(path);
  try {
    const cut = cutModel(model, mode, 'logits');
    const start = initialState(cut);
    const moments = async (size: number) =>
      (await layerMoments(model, cut, { ...RUN, batches: batches(size) })).moments;
    if (cut.norm?.kind === 'folded') setFoldedLayer(start, cut, await moments(20));
    if (mode === 'stats') {
      setStatistics(start, cut, await moments(28));
      return { scores: await scoresOf(model, tunedEdits(model, cut, start).edits), kind: cut.norm?.kind };
    }
    const { cache, labels } = await collectFeatures(
      model,
      { names: cut.tail.inputs, memoryBytes: 2 ** 28, folder, expectedRows: IMAGES },
      { ...RUN, batches: batches(28) },
    );
    const trainer = await openTrainer(cut, cache, { count: 1, order: 'by-view' }, labelTargets(labels!, 10, 0), start, {
      ...RUN,
      ...{ epochs: 3, batch: 100, lr: 0.05, momentum: 0.9, weightDecay: 1e-3, schedule: 'step', temperature: 1 },
      shuffle: { seed: 1 },
    });
    const none = { run: '', checkpoint: undefined, patience: undefined, validate: undefined };
    const { state } = await fit(trainer, start, { epochs: 3, ...none });
    await trainer.close();
    cache.close();
    return { scores: await scoresOf(model, tunedEdits(model, cut, state).edits), kind: cut.norm?.kind };
  } finally {
    model.close();
  }
}

const [kept, folded] = [join(folder, 'kept.onnx'), join(folder, 'folded.onnx')];
before(async () => {
  const [uniform = ''] = await averageSnapshots(folder, {});
  const model = openModel(uniform);
  const cut = cutModel(model, 'stats', 'logits');
  assert.equal(cut.norm?.name, LAYER);
  // The statistics of these images at the train size: what a folded layer is taken to have had.
  const state = initialState(cut);
  setStatistics(state, cut, (await layerMoments(model, cut, { ...RUN, batches: batches(20) })).moments);
  writeFileSync(kept, applyEdits(model, tunedEdits(model, cut, state).edits));
  model.close();
  fold(kept, folded);
});

for (const mode of ['stats', 'fc', 'paper', 'affine'] as const) {
  test(`${mode}: a file with the last BatchNormalization folded is tuned as the one that kept it`, async (t) => {
    const [one, other] = [await tuned(kept, mode), await tuned(folded, mode)];
    assert.deepEqual([one.kind, other.kind], mode === 'fc' ? [undefined, undefined] : ['kept', 'folded']);
    const worst = Math.max(...one.scores.map((value, i) => Math.abs(value - other.scores[i]!)));
    const largest = Math.max(...one.scores.map(Math.abs));
    t.diagnostic(`largest difference ${worst.toExponential(1)}, largest score ${largest.toFixed(1)}`);
    assert.ok(worst < 1e-3 * largest);
  });
}
