import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { modelFromBytes, nodesOf, tensorsOfModel } from '../../src/onnx/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { seededFile, seededModel, TORCHVISION_GRAPHS } from '../support/seeded-model.ts';

const SMALL_SIZE = 64;

const graphBytes = (name: string): Uint8Array => readFileSync(`fixtures/torchvision/${name}.onnx`);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function bnCount(name: string): number {
  const { record } = modelFromBytes(graphBytes(name));
  return [...nodesOf(record.graph)].filter(({ opType }) => opType === 'BatchNormalization').length;
}

/** Of each family whose statistics are recalibrated, one small network; all graphs are opened below. */
for (const name of ['resnet18', 'mobilenet_v2', 'mobilenet_v2-folded', 'mobilenet_v3_small']) {
  test(`${name} opens, fills and runs with finite scores`, async () => {
    const { model, externalData } = seededModel(name);
    for (const { payload, name: tensor } of tensorsOfModel(modelFromBytes(model).record)) {
      assert.notEqual(payload.kind, 'none', tensor);
    }
    const session = await openSession({ model, externalData, device: 'cpu', threads: 1, label: name });
    try {
      const [input] = session.inputs;
      const fixed = input?.dims[2];
      const size = typeof fixed === 'number' ? fixed : SMALL_SIZE;
      const data = new Float32Array(3 * size * size).map((_, i) => Math.sin(i / 50));
      const { outputs } = await session.run({ input: { type: 'float32', dims: [1, 3, size, size], data } });
      const scores = outputs.output;
      assert.deepEqual(scores?.dims, [1, 1000]);
      assert.ok((scores.data as Float32Array).every(Number.isFinite), 'a score is not finite');
      assert.ok(new Set(scores.data as Float32Array).size > 900, 'scores hardly differ');
    } finally {
      await session.close();
    }
  });
}

test('every graph opens with src/onnx as it is', () => {
  assert.ok(TORCHVISION_GRAPHS.length > 30);
  for (const name of TORCHVISION_GRAPHS)
    assert.ok(modelFromBytes(graphBytes(name)).record.graph.nodes.length > 10, name);
});

test('the exports keep their BatchNormalization nodes as torch left them', () => {
  const counts = {
    resnet18: 20,
    resnet50: 53,
    mobilenet_v2: 52,
    densenet121: 121,
    efficientnet_b0: 49,
    'resnet18-folded': 0,
    'mobilenet_v2-folded': 0,
    'efficientnet_b0-folded': 0,
    'densenet121-folded': 62,
  };
  assert.deepEqual(Object.fromEntries(Object.keys(counts).map((name) => [name, bnCount(name)])), counts);
});

test('one seed gives one file on every platform, another seed another', () => {
  const [once, again, other] = [seededFile('resnet18'), seededFile('resnet18'), seededFile('resnet18', 1)];
  assert.equal(sha256(once), sha256(again));
  assert.notEqual(sha256(once), sha256(other));
  assert.equal(sha256(once), 'd1ea033fdece38cc7e2436b5470cea05a7c1668e4f0b228646057ef487575ee8');
});

test('the file with its weights inside holds the same weights', async () => {
  const bytes = seededFile('mobilenet_v3_small');
  const { model, externalData } = seededModel('mobilenet_v3_small');
  const scores = [];
  for (const options of [{ model: bytes }, { model, externalData }]) {
    const session = await openSession({ ...options, device: 'cpu', threads: 1 });
    const data = new Float32Array(3 * 32 * 32).map((_, i) => Math.sin(i));
    const { outputs } = await session.run({ input: { type: 'float32', dims: [1, 3, 32, 32], data } });
    scores.push(outputs.output?.data);
    await session.close();
  }
  assert.deepEqual(scores[0], scores[1]);
});

test('no two channels of a BatchNormalization have equal parameters', () => {
  const { model, externalData } = seededModel('resnet18');
  const data = externalData[0]?.data as Uint8Array;
  for (const { name, dims, payload } of modelFromBytes(model).record.graph.initializers) {
    if (payload.kind !== 'external' || dims.length !== 1) continue;
    const values = new Float32Array(data.buffer, payload.offset, dims[0]);
    assert.equal(new Set(values).size, dims[0], name);
    if (name.endsWith('running_var'))
      assert.ok(
        values.every((x) => x >= 0.5 && x < 1.5),
        name,
      );
  }
});
