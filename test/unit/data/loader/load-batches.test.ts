import assert from 'node:assert/strict';
import { test } from 'node:test';
import { random } from '../../../../src/core/index.ts';
import {
  applyTransform,
  applyView,
  drawView,
  type InputData,
  inputLength,
  type LoadedBatch,
  openDataset,
  type Pixels,
  resolveTransform,
  type ViewRecord,
} from '../../../../src/data/index.ts';
import { idxBytes, npyBytes, temporaryFolder, writeTree } from '../../../support/dataset-files.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { load, ORDER, openFolder, PIXELS, SMALL } from './sets.ts';

/** The inputs of all batches for one transform, one after the other. */
function joined(batches: readonly LoadedBatch[], transform = 0): number[] {
  return batches.flatMap(({ inputs }) => Array.from(inputs[transform]?.data ?? []));
}

const source = (row: number): Pixels => PIXELS[ORDER[row] as number] as Pixels;
const flat = (parts: readonly InputData[]): number[] => parts.flatMap((part) => Array.from(part));
const expectedOf = (rows: readonly number[], transform = SMALL): number[] =>
  flat(rows.map((row) => applyTransform(source(row), transform).data));

test('batches keep the order of the rows, and the last one is short, whatever the number of threads', async () => {
  const dataset = await openFolder();
  const rows = [10, 3, 3, 0, 7, 1, 9];
  for (const workers of [1, 3]) {
    for (const batch of [1, 3, 7, 100]) {
      const batches = await load(dataset, { rows: Uint32Array.from(rows), batch, workers });
      const sizes = Array.from({ length: Math.ceil(7 / batch) }, (_, i) => Math.min(batch, 7 - i * batch));
      assert.deepEqual(
        batches.map((one) => one.rows.length),
        sizes,
      );
      assert.deepEqual(
        batches.flatMap((one) => [...one.rows]),
        rows,
      );
      assert.deepEqual(
        batches.flatMap((one) => one.keys),
        rows.map((row) => dataset.sample(row).key),
      );
      assert.deepEqual(
        batches.flatMap((one) => [...(one.labels ?? [])]),
        rows.map((row) => dataset.sample(row).label),
      );
      for (const [i, one] of batches.entries()) assert.deepEqual(one.inputs[0]?.dims, [sizes[i], 3, 8, 8]);
      assert.deepEqual(joined(batches), expectedOf(rows));
    }
  }
});

test('an image is decoded once for all transforms, each with its own size, type, layout and colour', async () => {
  const dataset = await openFolder();
  const transforms = [
    SMALL,
    resolveTransform({ size: 16 }),
    resolveTransform({ preset: 'none', size: { width: 5, height: 9 }, color: 'grey', layout: 'NHWC', dtype: 'uint8' }),
    resolveTransform({ size: 8, dtype: 'float16', color: 'bgr', interpolation: 'bicubic' }),
  ];
  let reads = 0;
  const counted = { ...dataset, read: (row: number) => dataset.read(row).finally(() => reads++) };
  const batches = await load(counted, { transforms });
  assert.equal(reads, 11);
  const rows = ORDER.map((_, row) => row);
  for (const [t, transform] of transforms.entries()) {
    assert.deepEqual(joined(batches, t), expectedOf(rows, transform));
    assert.equal(batches[0]?.inputs[t]?.type, transform.dtype);
  }
  assert.deepEqual(batches[0]?.inputs[2]?.dims, [4, 9, 5, 1]);
  const facts = batches.flatMap((one) => one.facts);
  assert.deepEqual(
    facts.map((fact) => fact.source),
    rows.map((row) => ({ width: source(row).width, height: source(row).height })),
  );
  assert.ok(facts.every(({ enlarged }) => enlarged.length === transforms.length && !enlarged.includes(true)));
});

test('views stand side by side, drawn from (seed, key, view) alone', async () => {
  const dataset = await openFolder();
  const augment = { randomResizedCrop: {}, flip: 0.5, colorJitter: { brightness: 0.4, contrast: 0.4 } };
  const transforms = [SMALL, resolveTransform({ size: 12, dtype: 'float16' })];
  const views = { augment, count: 3, seed: 7 };
  const drawn = (row: number): ViewRecord[] =>
    [0, 1, 2].map((view) => {
      const stream = random(7, dataset.sample(row).key, view);
      return drawView(augment, source(row), () => stream.float());
    });
  for (const [workers, batch] of [
    [1, 4],
    [3, 5],
    [2, 64],
  ] as const) {
    const batches = await load(dataset, { views, transforms, workers, batch });
    const rows = ORDER.map((_, row) => row);
    assert.deepEqual(
      batches.flatMap((one) => [...one.rows]),
      rows.flatMap((row) => [row, row, row]),
    );
    assert.deepEqual(
      batches.flatMap(({ facts }) => facts.map((fact) => fact.views)),
      rows.map(drawn),
    );
    for (const [t, transform] of transforms.entries()) {
      const expected = rows.flatMap((row) => drawn(row).map((record) => applyView(source(row), record, transform)));
      assert.deepEqual(joined(batches, t), flat(expected));
      assert.equal(batches[0]?.inputs[t]?.dims[0], Math.min(batch, 11) * 3);
    }
  }
});

test('transforms of different orientation each see the image as they ask', async () => {
  const { default: sharp } = await import('sharp');
  const { data, width, height } = PIXELS[1] as Pixels;
  const raw = { width, height, channels: 3 } as const;
  const turned = await sharp(data, { raw }).withMetadata({ orientation: 6 }).png().toBuffer();
  const folder = writeTree(temporaryFolder(), { 'a/turned.png': turned });
  const dataset = await openDataset(folder, {});
  const transforms = (['ignore', 'exif'] as const).map((orientation) =>
    resolveTransform({ preset: 'none', size: 8, orientation }),
  );
  const [batch] = await load(dataset, { transforms });
  const alone = await Promise.all(transforms.map(async (transform) => load(dataset, { transforms: [transform] })));
  assert.notDeepEqual(batch?.inputs[0]?.data, batch?.inputs[1]?.data);
  for (const [t, [only]] of alone.entries()) assert.deepEqual(batch?.inputs[t]?.data, only?.inputs[0]?.data);
  const views = { augment: {}, count: 2, seed: 0 };
  await expectFailure('USAGE', [/one orientation/, /`orientation`/], () => load(dataset, { transforms, views }));
});

test('pixels of an array give the same inputs as an image file of them', async () => {
  const images = PIXELS.filter(({ channels }) => channels === 1).map(({ data }) => data.slice(0, 400));
  const folder = writeTree(temporaryFolder(), {
    'images.idx': idxBytes([images.length, 20, 20], Buffer.concat(images)),
    'labels.idx': idxBytes(
      [images.length],
      Uint8Array.from(images, (_, i) => i),
    ),
  });
  const dataset = await openDataset(`${folder}/images.idx`, { labels: `${folder}/labels.idx`, format: 'idx' });
  const transform = resolveTransform({ preset: 'none', size: 8, color: 'grey' });
  const expected = images.map((data) => applyTransform({ data, width: 20, height: 20, channels: 1 }, transform).data);
  assert.deepEqual(joined(await load(dataset, { transforms: [transform], batch: 3 })), flat(expected));
  // Read again: what was handed over to a thread was a copy.
  assert.deepEqual(joined(await load(dataset, { transforms: [transform], batch: 3 })), flat(expected));
});

test('ready tensors pass through in batches, and have no views', async () => {
  const values = Float32Array.from({ length: 5 * 2 * 3 * 2 }, (_, i) => i / 7);
  const folder = writeTree(temporaryFolder(), {
    'ready.npy': npyBytes('<f4', '(5, 2, 3, 2)', new Uint8Array(values.buffer)),
  });
  const dataset = await openDataset(`${folder}/ready.npy`, {});
  const batches = await load(dataset, { transforms: [], batch: 2 });
  assert.deepEqual(
    batches.map(({ inputs }) => inputs[0]?.dims),
    [
      [2, 2, 3, 2],
      [2, 2, 3, 2],
      [1, 2, 3, 2],
    ],
  );
  assert.deepEqual(joined(batches), Array.from(values));
  assert.ok(batches.every(({ labels, facts }) => labels === undefined && facts.length === 0));
  const views = { augment: {}, count: 2, seed: 0 };
  await expectFailure('USAGE', [/no training views/], () => load(dataset, { views }));
  await dataset.close();
});

test('a batch has exactly the memory of its inputs: it can be handed over whole', async () => {
  const dataset = await openFolder();
  for (const workers of [1, 2]) {
    for (const { inputs, rows } of await load(dataset, { workers, batch: 5 })) {
      assert.equal(inputs[0]?.data.buffer.byteLength, rows.length * inputLength(SMALL) * 4);
    }
  }
});
