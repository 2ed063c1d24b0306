/** What the loader gives for stored targets: batches that end where parts end, statistics of the inputs, views by their records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFloat16, random } from '../../../../src/core/index.ts';
import {
  applyView,
  drawView,
  inputLength,
  type LoadedBatch,
  type Pixels,
  resolveTransform,
} from '../../../../src/data/index.ts';
import { allRows, load, ORDER, openFolder, PIXELS, SMALL } from './sets.ts';

const AUGMENT = { randomResizedCrop: { scale: [0.3, 1] }, flip: 0.5 } as const;
const source = (row: number): Pixels => PIXELS[ORDER[row] as number] as Pixels;

test('batches end at each multiple of partRows; what is in one does not depend on the other parts', async () => {
  const dataset = await openFolder();
  const all = await load(dataset, { batch: 3, partRows: 5 });
  assert.deepEqual(
    all.map(({ rows }) => [...rows]),
    [[0, 1, 2], [3, 4], [5, 6, 7], [8, 9], [10]],
  );
  // The second and third part alone, laid end to end.
  const some = await load(dataset, { rows: allRows(11).subarray(5), batch: 3, partRows: 5 });
  assert.deepEqual(some, all.slice(2));
  const large = await load(dataset, { batch: 100, partRows: 4 });
  assert.deepEqual(
    large.map(({ rows }) => rows.length),
    [4, 4, 3],
  );
});

/** Mean and deviation by their definitions, in float64. */
function expected(values: readonly number[]): [mean: number, std: number] {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return [mean, Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)];
}

function assertStatistics(
  batches: readonly LoadedBatch[],
  t: number,
  channels: number,
  layout: string,
  scale = 1,
): void {
  for (const { inputs, statistics, rows } of batches) {
    const { data, type } = inputs[t] as LoadedBatch['inputs'][number];
    const { mean, std } = statistics[t] as LoadedBatch['statistics'][number];
    assert.equal(mean.length, rows.length * channels);
    const each = data.length / rows.length;
    for (let i = 0; i < rows.length; i++) {
      const image = [...data.subarray(i * each, (i + 1) * each)].map((x) =>
        type === 'float16' ? decodeFloat16(x) : x,
      );
      for (let c = 0; c < channels; c++) {
        const area = each / channels;
        const values = image.filter((_, at) => (layout === 'NCHW' ? Math.floor(at / area) : at % channels) === c);
        const [m, s] = expected(values);
        assert.ok(Math.abs((mean[i * channels + c] as number) - m) <= 1e-7 * scale);
        assert.ok(Math.abs((std[i * channels + c] as number) - s) <= 1e-7 * scale);
      }
    }
  }
}

test('statistics are mean and population deviation per channel of what the network gets, in every layout and type', async () => {
  const dataset = await openFolder();
  const transforms = [
    SMALL,
    resolveTransform({ preset: 'torchvision', size: 7, layout: 'NHWC' }),
    resolveTransform({ preset: 'none', size: 9, color: 'grey', dtype: 'uint8' }),
    resolveTransform({ preset: 'torchvision', size: 6, dtype: 'float16', color: 'bgr' }),
  ];
  for (const views of [undefined, { augment: AUGMENT, count: 3, seed: 4 }]) {
    const batches = await load(dataset, { transforms, statistics: true, views });
    assertStatistics(batches, 0, 3, 'NCHW');
    assertStatistics(batches, 1, 3, 'NHWC', 3);
    assertStatistics(batches, 2, 1, 'NCHW', 255);
    assertStatistics(batches, 3, 3, 'NCHW', 3);
  }
  assert.deepEqual((await load(dataset, { transforms }))[0]?.statistics, [], 'only where they are wanted');
});

test('a constant picture far from zero has a deviation of exactly zero', async () => {
  const { allocateStatistics, inputStatistics } = await import('../../../../src/data/images/input-statistics.ts');
  const into = allocateStatistics(2, 1);
  inputStatistics(new Float32Array(101).fill(1e6 / 3), 1, 'NCHW', into, 1);
  assert.deepEqual([...into.mean, ...into.std], [0, Math.fround(1e6 / 3), 0, 0]);
});

test('views by their records are the views that were drawn', async () => {
  const dataset = await openFolder();
  const views = { augment: AUGMENT, count: 2, seed: 9 };
  const drawn = await load(dataset, { views, statistics: true });
  const records = (row: number) =>
    [0, 1].map((view) => {
      const stream = random(9, dataset.sample(row).key, view);
      return drawView(AUGMENT, source(row), () => stream.float());
    });
  assert.deepEqual(await load(dataset, { views, records, statistics: true }), drawn);

  const whole = { crop: { top: 0, left: 0, width: 5, height: 6 }, flip: true, jitter: [] };
  const [first] = await load(dataset, { views, records: () => [whole, whole], rows: allRows(1) });
  const own = applyView(source(0), whole, SMALL);
  assert.deepEqual([...(first?.inputs[0]?.data ?? [])], [...own, ...own]);
  assert.equal(own.length, inputLength(SMALL));
});
