import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { stockRatio } from '../../../../src/average/rows/stock-ratios.ts';
import { readPayload } from '../../../../src/onnx/index.ts';
import { average, withSnapshots } from '../../../support/average.ts';
import { SNAPSHOTS } from '../../../support/fashion.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const gram = (rows: readonly (readonly number[])[]): Float64Array[] => rows.map((values) => Float64Array.from(values));

test('the ratio is that of the paper: cos 60° with two models gives 2/3, with four 4/5; parallel 1, orthogonal 0', () => {
  // Eq. 3 for N = 2: 2 cos θ / (1 + cos θ).
  assert.ok(Math.abs(stockRatio(gram([[4], [1, 1]].map((r) => [...r, 0]))) - 2 / 3) < 1e-15);
  const four = Array.from({ length: 4 }, (_, i) => Array.from({ length: 4 }, (__, j) => (i === j ? 1 : 0.5)));
  assert.ok(Math.abs(stockRatio(gram(four)) - 4 / 5) < 1e-15);
  assert.equal(
    stockRatio(
      gram([
        [1, 0],
        [1, 1],
      ]),
    ),
    1,
  );
  assert.equal(
    stockRatio(
      gram([
        [1, 0],
        [0, 1],
      ]),
    ),
    0,
  );
  assert.equal(
    stockRatio(
      gram([
        [1, 0],
        [-0.5, 1],
      ]),
    ),
    0,
    'an obtuse angle stays at the anchor',
  );
  assert.equal(
    stockRatio(
      gram([
        [0, 0],
        [0, 0],
      ]),
    ),
    1,
    'models that equal the anchor',
  );
});

test('on the fixtures every tensor is (1 - t) anchor + t mean, with t from the cosines of its own differences', async () => {
  const files = SNAPSHOTS.slice(0, 4);
  const out = join(root, 'stock.onnx');
  await average(files, out, { plan: { method: 'model-stock', base: 'epoch_14.onnx' } });
  await withSnapshots([...files, out], (models) => {
    const [first] = models;
    const names = first?.record.graph.initializers.filter(({ dataType }) => dataType === 1) ?? [];
    assert.ok(names.length > 20);
    for (const { name } of names) {
      const [anchor, a, b, c, found] = models.map((model) => {
        const tensor = model.record.graph.initializers.find((one) => one.name === name);
        assert.ok(tensor);
        const bytes = Uint8Array.from(readPayload(model, tensor));
        return [...new Float32Array(bytes.buffer)];
      }) as [number[], number[], number[], number[], number[]];
      const minus = (x: number[]): number[] => x.map((value, i) => value - (anchor[i] as number));
      const dot = (x: number[], y: number[]): number => x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
      const [d, e, f] = [minus(a), minus(b), minus(c)];
      const cosine = (x: number[], y: number[]): number =>
        dot(x, x) * dot(y, y) > 0 ? dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)) : 1;
      const mean = Math.max(0, (cosine(d, e) + cosine(d, f) + cosine(e, f)) / 3);
      const t = (3 * mean) / (1 + 2 * mean);
      for (const [i, value] of found.entries()) {
        const average = ((a[i] as number) + (b[i] as number) + (c[i] as number)) / 3;
        const expected = (1 - t) * (anchor[i] as number) + t * average;
        assert.ok(Math.abs(value - expected) < 2e-7 * (1 + Math.abs(expected)), `${name}[${i}]`);
      }
    }
  });
});
