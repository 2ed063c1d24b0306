import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../src/core/index.ts';
import { cutModel, type Mode } from '../../../src/fixres/cut/cut.ts';
import { collectFeatures, type ImageBatch } from '../../../src/fixres/train/collect-features.ts';
import { layerMoments, setFoldedLayer, setStatistics } from '../../../src/fixres/train/layer-moments.ts';
import { openScorer } from '../../../src/fixres/train/score.ts';
import { labelTargets } from '../../../src/fixres/train/targets.ts';
import { initialState, openTrainer } from '../../../src/fixres/train/train.ts';
import { tunedEdits } from '../../../src/fixres/write-back.ts';
import { applyEdits, type Model, modelFromBytes } from '../../../src/onnx/index.ts';
import { openSession, type Tensor } from '../../../src/runtime/index.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { onlyLong } from '../../support/long.ts';
import { seededFile } from '../../support/seeded-model.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const RUN = { device: 'cpu', threads: 1 } as const;
const IMAGES = 6;
const BATCH = 3;
const LABELS = Int32Array.from([1, 0, 7, 1, 3, 0]);

/** Pictures of their own brightness and contrast, so that a pooled feature tells them apart. */
function pictures(size: number): Tensor {
  const stream = random(5, 'pictures');
  const data = Float32Array.from({ length: IMAGES * 3 * size * size }, (_, i) => {
    const image = Math.floor(i / (3 * size * size));
    return (stream.float() * 2 - 1) * (1 + image / 4) + image / 6;
  });
  return { type: 'float32', dims: [IMAGES, 3, size, size], data };
}

async function* batches(size: number): AsyncGenerator<ImageBatch> {
  const { type, data } = pictures(size);
  const row = 3 * size * size;
  for (let from = 0; from < IMAGES; from += BATCH) {
    yield {
      images: { type, dims: [BATCH, 3, size, size], data: data.slice(from * row, (from + BATCH) * row) as never },
      keys: Array.from({ length: BATCH }, (_, i) => `image-${from + i}`),
      labels: LABELS.slice(from, from + BATCH),
    };
  }
}

async function scores(model: Model, edits: Parameters<typeof applyEdits>[1], size: number): Promise<Float32Array> {
  const session = await openSession({ model: applyEdits(model, edits), ...RUN, label: 'model' });
  try {
    const { outputs } = await session.run({ input: pictures(size) });
    return outputs.output?.data as Float32Array;
  } finally {
    await session.close();
  }
}

/** The largest difference, over the spread of the scores. */
function distance(a: Float32Array, b: Float32Array): number {
  const mean = b.reduce((sum, value) => sum + value, 0) / b.length;
  const sd = Math.sqrt(b.reduce((sum, value) => sum + (value - mean) ** 2, 0) / b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / sd;
}

const SIZES = { train: 32, test: 48 };

/** Tunes a model for one epoch as the command does. */
async function tuned(model: Model, mode: Mode) {
  const cut = cutModel(model, mode, 'output');
  const state = initialState(cut);
  if (cut.norm?.kind === 'folded') {
    const { moments } = await layerMoments(model, cut, { ...RUN, batches: batches(SIZES.train) });
    setFoldedLayer(state, cut, moments);
  }
  // Before the first step: a folded layer would be written as it was.
  const untouched =
    mode === 'paper'
      ? await scores(model, tunedEdits(model, { ...cut, mode: 'affine' }, state).edits, SIZES.test)
      : undefined;
  const features = await collectFeatures(
    model,
    { names: cut.tail.inputs, memoryBytes: 2 ** 28, folder, expectedRows: IMAGES },
    { ...RUN, batches: batches(SIZES.test) },
  );
  if (mode === 'stats') {
    setStatistics(state, cut, (await layerMoments(model, cut, { ...RUN, batches: batches(SIZES.test) })).moments);
  } else {
    const trainer = await openTrainer(
      cut,
      features.cache,
      { count: 1, order: 'by-view' },
      labelTargets(LABELS, 1000, 0.1),
      state,
      {
        ...RUN,
        epochs: 1,
        batch: BATCH,
        lr: 0.05,
        momentum: 0.9,
        weightDecay: 1e-4,
        schedule: 'step',
        shuffle: undefined,
        temperature: 1,
      },
    );
    await trainer.epoch(state);
    await trainer.close();
  }
  const scorer = await openScorer(cut, features, RUN);
  const seen = await scorer.logits(state);
  await scorer.close();
  features.cache.close();
  return { cut, seen, untouched, edits: tunedEdits(model, cut, state) };
}

/** Where each graph is cut: the layer, the values that cross, and what changes with `affine`. */
const CUTS: Readonly<Record<string, { layer: RegExp; kind: 'kept' | 'folded'; crossing: number }>> = {
  resnet18: { layer: /layer4\.1\.bn2/, kind: 'kept', crossing: 2 },
  'resnet18-folded': { layer: /layer4\.1\/conv2/, kind: 'folded', crossing: 2 },
  mobilenet_v2: { layer: /features\.18\.1/, kind: 'kept', crossing: 1 },
  'mobilenet_v2-folded': { layer: /features\.18\.0/, kind: 'folded', crossing: 1 },
  efficientnet_b0: { layer: /features\.8\.1/, kind: 'kept', crossing: 1 },
  'efficientnet_b0-folded': { layer: /features\.8\.0/, kind: 'folded', crossing: 1 },
  densenet121: { layer: /features\.norm5/, kind: 'kept', crossing: 1 },
  // The last layer follows a Concat: no exporter can fold it.
  'densenet121-folded': { layer: /features\.norm5/, kind: 'kept', crossing: 1 },
};

/** Of both kinds, one that all layers of its kind can be in. */
const QUICK = ['mobilenet_v2', 'mobilenet_v2-folded', 'densenet121-folded'];

for (const [graph, expected] of Object.entries(CUTS)) {
  const skip = !QUICK.includes(graph) && onlyLong;
  test(`${graph}: is cut at its last layer; what is written computes what the trainer saw`, { skip }, async (t) => {
    const model = modelFromBytes(seededFile(graph));
    const before = await scores(model, [], SIZES.test);
    for (const mode of ['stats', 'fc', 'paper', 'affine'] as const) {
      const { cut, seen, untouched, edits } = await tuned(model, mode);
      if (mode !== 'fc') {
        assert.match(cut.norm?.name ?? '', expected.layer);
        assert.equal(cut.norm?.kind, expected.kind);
        assert.equal(cut.tail.inputs.length, expected.crossing);
      }
      if (untouched) assert.ok(distance(untouched, before) < 2e-4, `untouched: ${distance(untouched, before)}`);
      const after = await scores(model, edits.edits, SIZES.test);
      const [moved, apart] = [distance(after, before), distance(after, seen)];
      t.diagnostic(
        `${mode}: moved by ${moved.toExponential(1)} sd, apart ${apart.toExponential(1)} sd, ${edits.changed.length} tensors`,
      );
      assert.ok(moved > 1e-3, `${mode} moved the scores by ${moved} sd`);
      assert.ok(apart < 5e-4, `${mode}: the written model is ${apart} sd from what the trainer saw`);
    }
  });
}

test('googlenet: four branches end side by side, which is said; its classifier can be tuned', async () => {
  const model = modelFromBytes(seededFile('googlenet'));
  await expectFailure('UNSUPPORTED_GRAPH', [/side by side/, /`mode` fc/], () => cutModel(model, 'paper', 'output'));
  assert.equal(cutModel(model, 'fc', 'output').tail.inputs.length, 1);
});

test('networks without BatchNormalization: the classifier can be tuned', () => {
  for (const graph of ['vit_b_16-dynamic', 'swin_t-dynamic', 'convnext_tiny-dynamic']) {
    const { tail } = cutModel(modelFromBytes(seededFile(graph)), 'fc', 'output');
    assert.deepEqual([tail.classes, tail.inputs.length, tail.nodes.length], [1000, 1, 1], graph);
  }
});

test('a fixed batch: features of any number of images, and a 1x1 convolution as the classifier', async () => {
  const model = modelFromBytes(seededFile('squeezenet1_1-dynamic'));
  const { seen, edits, cut } = await tuned(model, 'fc');
  assert.equal(cut.classifier.node.opType, 'Conv');
  assert.ok(distance(await scores(model, edits.edits, SIZES.test), seen) < 5e-4);
});
