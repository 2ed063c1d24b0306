/** What inspect shows is what every job reads, and records. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { evaluate, fixRes, inspect, recalibrate, searchAverages, swag, sweep } from '../../../src/index.ts';
import type { ModelReading } from '../../../src/signature/index.ts';
import { makeTargets, scoreTargets } from '../../../src/targets.ts';
import { FASHION, SNAPSHOTS } from '../../support/fashion.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
const MODELS = SNAPSHOTS.slice(0, 2);
const [MODEL = ''] = MODELS;
const SIZE = 20;
const data = {
  source: join(FASHION, 'test-images-idx3-ubyte.gz'),
  labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
  rows: { start: 0, end: 40 },
};
const pixels = { preset: 'none', mean: [0.286], std: [0.353] } as const;
const transform = { ...pixels, size: SIZE };
const HOW = { device: 'cpu', threads: 1, workers: 1 } as const;

type Job = () => Promise<ModelReading | undefined>;

const JOBS: Readonly<Record<string, Job>> = {
  evaluate: async () => (await evaluate({ ...HOW, models: [MODEL], data, transform })).models[0]?.reading,
  recalibrate: async () =>
    (await recalibrate({ ...HOW, model: MODEL, data, transform, out: join(root, 'bn.onnx') })).result?.reading,
  sweep: async () => {
    const options = { ...HOW, models: [MODEL], data, transform: pixels, trainSize: SIZE, sizes: [SIZE, 24] };
    return (await sweep(options)).readings[0]?.reading;
  },
  fixRes: async () => {
    const options = { ...HOW, model: MODEL, train: data, val: data, transform: pixels, trainSize: SIZE, size: 24 };
    return (await fixRes({ ...options, mode: 'stats', out: join(root, 'fixed.onnx') })).reading;
  },
  searchAverages: async () => {
    const options = { ...HOW, inputs: MODELS, val: data, transform, include: ['last' as const], last: [2] };
    return (await searchAverages({ ...options, out: join(root, 'best.onnx') })).reading;
  },
  swag: async () => (await swag({ ...HOW, inputs: MODELS, val: data, transform, samples: 1 })).reading,
  makeTargets: async () =>
    (await makeTargets({ ...HOW, teachers: [MODEL], data, transform, out: join(root, 'targets') })).readings[0]
      ?.reading,
  scoreTargets: async () =>
    (await scoreTargets({ ...HOW, store: join(root, 'targets'), student: MODEL, data, transform })).reading,
};

let shown: ModelReading;
before(async () => {
  const { files } = await inspect({ files: [MODEL], transform });
  shown = files[0]?.facts as unknown as ModelReading;
});

for (const [job, run] of Object.entries(JOBS)) {
  test(`${job} records the reading that inspect shows`, async () => {
    const reading = await run();
    assert.ok(reading?.input && reading.layout.value === 'NCHW');
    for (const [name, fact] of Object.entries(reading)) {
      // fix-res reads for the size that it tunes to, a sweep for many.
      if (fact === undefined || (name === 'transform' && job === 'fixRes')) continue;
      assert.deepEqual(fact, shown[name as keyof ModelReading], name);
    }
    assert.equal(reading.transform === undefined, job === 'sweep');
    if (job !== 'recalibrate') assert.deepEqual(reading.output_kind, shown.output_kind);
  });
}

test('what the file leaves open, the outputs tell: with that as the source', async () => {
  const said = await evaluate({ ...HOW, models: [MODEL], data, transform, outputs: 'logits' });
  assert.deepEqual(said.models[0]?.reading?.output_kind, { value: 'logits', source: '`outputs`' });
});
