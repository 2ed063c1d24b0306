import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { type Dataset, loadBatches, openDataset, resolveTransform } from '../../src/data/index.ts';
import { evaluateModels, type LabelledBatch } from '../../src/evaluate/index.ts';
import { openSession, type Tensor } from '../../src/runtime/index.ts';
import { FASHION } from '../support/fashion.ts';
import { noise } from '../support/noise.ts';
import { floats, makeModel } from '../support/small-models.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Reading, decoding, inference and scoring of each image are the same: what grows, grows with the count. */
const IMAGES = 100_000;
const SIZE = 32;
const BATCH = 64;
/**
 * From the mean of the second quarter of the run to that of the last, 50,000 images later. Inputs that stayed would be
 * 4 KiB an image, 205 MB. Predictions stay: 48 bytes an image and their keys, 7 MB in all.
 */
const GROWTH_LIMITS = { rss: 64e6, heapUsed: 32e6, external: 32e6 } as const;
/** Of the whole process over its size before the run. Two threads start, one of them with libvips. */
const PEAK_LIMIT = 250e6;

/** Ten logits from the mean of the picture: the loader has most of the work. */
const MODEL = makeModel({
  inputs: [['x', 'FLOAT', ['N', 1, SIZE, SIZE]]],
  outputs: [['y', 'FLOAT', ['N', 10]]],
  nodes: [
    ['GlobalAveragePool', ['x'], ['mean']],
    ['Flatten', ['mean'], ['flat'], { axis: 1 }],
    ['Gemm', ['flat', 'w', 'b'], ['y']],
  ],
  initializers: [
    floats('w', [1, 10], [...Array(10).keys()]),
    floats(
      'b',
      [10],
      [...Array(10).keys()].map((k) => -(k ** 2) / 20),
    ),
  ],
});

type Kind = keyof typeof GROWTH_LIMITS;
type Memory = Readonly<Record<Kind, number>>;

async function evaluate(dataset: Dataset): Promise<Memory[]> {
  const samples: Memory[] = [];
  const session = await openSession({ model: MODEL, device: 'cpu', threads: 1 });
  const batches = async function* (): AsyncGenerator<LabelledBatch> {
    const loaded = loadBatches(dataset, {
      rows: Uint32Array.from({ length: IMAGES }, (_, i) => i % dataset.length),
      transforms: [resolveTransform({ preset: 'none', size: SIZE, color: 'grey' })],
      batch: BATCH,
      workers: 1,
      onBadImage: 'fail',
    });
    for await (const { inputs, keys, labels } of loaded)
      yield { images: inputs as readonly Tensor[], keys, labels: labels as Int32Array };
  };
  try {
    const [evaluation] = await evaluateModels([session], batches(), {
      onProgress: (done) => {
        if (done % (20 * BATCH) === 0) samples.push(process.memoryUsage());
      },
    });
    assert.equal(evaluation?.predictions.labels.length, IMAGES);
    return samples;
  } finally {
    await session.close();
    await dataset.close();
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Means of the four quarters of the run. */
function quarters(samples: readonly Memory[], kind: Kind): number[] {
  const quarter = Math.floor(samples.length / 4);
  return [0, 1, 2, 3].map((q) => mean(samples.slice(q * quarter, (q + 1) * quarter).map((sample) => sample[kind])));
}

function assertFlat(before: number, samples: readonly Memory[], say: (line: string) => void): void {
  for (const kind of Object.keys(GROWTH_LIMITS) as Kind[]) {
    const means = quarters(samples, kind);
    const growth = (means[3] as number) - (means[1] as number);
    say(`${kind}: means of the quarters ${means.map(megabytes).join(', ')}; growth ${megabytes(growth)}`);
    assert.ok(growth < GROWTH_LIMITS[kind], `${kind} has grown by ${megabytes(growth)}`);
  }
  const peak = Math.max(...samples.map(({ rss }) => rss)) - before;
  say(`peak over the start: ${megabytes(peak)}`);
  assert.ok(peak < PEAK_LIMIT, `${megabytes(peak)} over the start`);
}

test('memory is flat over 100,000 images of an array', async (t) => {
  const dataset = await openDataset(`${FASHION}/test-images-idx3-ubyte.gz`, {
    labels: `${FASHION}/test-labels-idx1-ubyte.gz`,
  });
  const before = process.memoryUsage.rss();
  assertFlat(before, await evaluate(dataset), (line) => t.diagnostic(line));
});

const large = { skip: process.env.ONNX_TEMPER_LARGE ? false : 'ONNX_TEMPER_LARGE is not set' };

test('memory is flat over 100,000 image files', large, async (t) => {
  const folder = tempFolder();
  const lines = ['path,label'];
  for (let i = 0; i < 10; i++) {
    const { data, width, height } = noise(SIZE + i, SIZE, 3);
    const path = join(folder, `${i}.jpg`);
    writeFileSync(
      path,
      await sharp(data, { raw: { width, height, channels: 3 } })
        .jpeg()
        .toBuffer(),
    );
    lines.push(`${i}.jpg,${i}`);
  }
  writeFileSync(join(folder, 'images.csv'), lines.join('\n'));
  const dataset = await openDataset(join(folder, 'images.csv'), {});
  const before = process.memoryUsage.rss();
  assertFlat(before, await evaluate(dataset), (line) => t.diagnostic(line));
});
