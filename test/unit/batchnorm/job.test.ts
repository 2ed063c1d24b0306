import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mergeMoments, type RecalibrateOptions, recalibrate } from '../../../src/batchnorm/index.ts';
import { canonicalJson } from '../../../src/core/index.ts';
import { bnNode, normals, parametersOf } from '../../support/batchnorm.ts';
import { npyBytes } from '../../support/dataset-files.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { decodeModel, node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
function fresh(): (name: string) => string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return (name) => join(folder, name);
}

const IMAGES = 90;
const npy = join(root, 'images.npy');
const values = Float32Array.from(normals(3, IMAGES * 3 * 16, 0.5, 2));
writeFileSync(npy, npyBytes('<f4', `(${IMAGES}, 3, 4, 4)`, new Uint8Array(values.buffer)));

/** x -> BatchNormalization -> Relu -> [a Reshape to the dims given, and back] -> BatchNormalization -> y. */
function twoLayers(batch: number | string, reshape?: readonly number[]): TestModel {
  const shape = (name: string, dims: readonly number[]) =>
    tensor({ name, dims: [dims.length], values: dims, type: 'int64' });
  return {
    nodes: [
      bnNode('bn0', 'x', 'n0'),
      node('Relu', ['n0'], ['r0']),
      ...(reshape ? [node('Reshape', ['r0', 'there'], ['s0'])] : []),
      bnNode('bn1', reshape ? 's0' : 'r0', 'y'),
    ],
    initializers: [
      ...['bn0', 'bn1'].flatMap((name) => parametersOf(name, 3)).map((item) => tensor(item)),
      ...(reshape ? [shape('there', reshape)] : []),
    ],
    inputs: [valueInfo('x', [batch, 3, 4, 4])],
    outputs: [valueInfo('y', [batch, 3, 4, 4])],
  };
}
const model = writeModel(join(root, 'model.onnx'), twoLayers('n'));

const ON_CPU = { device: 'cpu', threads: 1, workers: 1 } as const;
const options = (more: Partial<RecalibrateOptions>): RecalibrateOptions => ({
  ...ON_CPU,
  model,
  data: { source: npy },
  batch: 16,
  ...more,
});

/** Runs a job and gives its record and notes. */
async function noted(more: Partial<RecalibrateOptions>) {
  const notes: string[] = [];
  const record = await recalibrate(options(more), { observer: { note: (text) => notes.push(text) } });
  return { record, notes: notes.join('\n') };
}

test("two workers and a merge write one worker's bytes; the record says what the model says", async () => {
  const at = fresh();
  const { record } = await noted({ out: at('one.onnx') });
  for (const index of [0, 1])
    await recalibrate(options({ shard: { index, count: 2 }, momentsOut: at(`parts/deep/${index}.st`) }));
  const moments = [1, 0].map((i) => at(`parts/deep/${i}.st`));
  const merged = await mergeMoments({ ...ON_CPU, model, moments, out: at('merged.onnx') });
  assert.deepEqual(readFileSync(at('merged.onnx')), readFileSync(at('one.onnx')));
  assert.deepEqual(merged.result?.rows, record.result?.rows);
  const stored = decodeModel(at('one.onnx')).metadataProps?.find(({ key }) => key === 'onnx_temper.1');
  assert.equal(stored?.value, canonicalJson(record.result?.settings));
});

test('rows of the table: the fields of the layer first, then what it was made from; run_sha256 tells runs apart', async () => {
  const at = fresh();
  const first = (await noted({ out: at('a.onnx') })).record.result;
  const other = (await noted({ out: at('b.onnx'), prior: 3 })).record.result;
  const [row] = first?.rows ?? [];
  const layer = Object.keys(first?.layers[0] ?? {});
  assert.deepEqual(Object.keys(row ?? {}).slice(0, layer.length), layer);
  assert.deepEqual(Object.keys(row ?? {}).slice(layer.length), [
    ...['model', 'model_sha256', 'data', 'data_table_sha256', 'rows_sha256', 'transform_sha256', 'views'],
    ...['batch_size', 'batches', 'n_images', 'estimator', 'method', 'prior'],
    ...['provider', 'onnxruntime', 'version', 'run_sha256'],
  ]);
  assert.deepEqual([row?.n_images, row?.batches, row?.provider, row?.views], [IMAGES, 6, 'cpu', null]);
  assert.notEqual(row?.run_sha256, other?.rows[0]?.run_sha256);
  assert.equal(row?.model_sha256, other?.rows[0]?.model_sha256);
});

test('samples: as many rows as asked for, a larger choice contains a smaller one, another seed chooses others', async () => {
  const at = fresh();
  const rowsOf = async (name: string, more: Partial<RecalibrateOptions>) =>
    (await noted({ out: at(name), ...more })).record.result?.rows[0]?.rows_sha256;
  const [a, again, other] = [
    await rowsOf('a', { samples: 20 }),
    await rowsOf('b', { samples: 20, data: { source: npy, seed: 0 } }),
    await rowsOf('c', { samples: 20, seed: 1 }),
  ];
  assert.equal(a, again);
  assert.notEqual(a, other);
});

test('a file fixed to batches of 1 is measured in batches of 64, as a copy that takes any; `batch` 1 keeps to the file', async () => {
  const at = fresh();
  const fixed = writeModel(at('fixed.onnx'), twoLayers(1));
  const free = await noted({ out: at('free.onnx'), batch: 64 });
  const freed = await noted({ model: fixed, out: at('a.onnx'), batch: undefined });
  assert.match(freed.notes, /is fixed to batches of 1; a copy that takes any batch gives the same/);
  assert.deepEqual(freed.record.result?.layers, free.record.result?.layers);
  const kept = await noted({ model: fixed, out: at('b.onnx'), batch: 1 });
  assert.equal(kept.record.result?.batchSize, 1);
  assert.match(kept.notes, /batches of 1 bias the deeper layers/);
});

test('a file whose constants hold for batches of 1 alone is measured in them, and the note says why', async () => {
  const at = fresh();
  const fixed = writeModel(at('fixed.onnx'), twoLayers(1, [1, 3, -1]));
  const { record, notes } = await noted({ model: fixed, out: at('a.onnx'), batch: undefined });
  assert.equal(record.result?.batchSize, 1);
  assert.match(notes, /is fixed to batches of 1, and a copy that takes any batch does not give the same/);
});

test('a signal that was aborted ends the job with its reason, and nothing is written', async () => {
  const at = fresh();
  copyFileSync(model, at('model.onnx'));
  const reason = new Error('stop');
  await assert.rejects(recalibrate(options({ out: at('a.onnx') }), { signal: AbortSignal.abort(reason) }), reason);
  assert.ok(!existsSync(at('a.onnx')));
});

test('statistics that are all 0 and 1 are measured only with a guard or by order, in the merge too: they may be folded', async () => {
  const at = fresh();
  const placeholder = (variance: number, name: string): string => {
    const { initializers = [], ...rest } = twoLayers('n');
    const values = (suffix: string): number[] => Array<number>(3).fill(suffix.endsWith('mean') ? 0 : variance);
    return writeModel(at(name), {
      ...rest,
      initializers: initializers.map((item) =>
        /running_/.test(item.name ?? '')
          ? tensor({ name: item.name ?? '', dims: [3], values: values(item.name ?? '') })
          : item,
      ),
    });
  };
  const folded = placeholder(1, 'folded.onnx');
  const reason = [/every mean is 0 and every variance 1.*keras2onnx/, /`val`.*`allowWorse`/];
  await expectFailure('USAGE', reason, () => recalibrate(options({ model: folded, out: at('out.onnx') })));
  await expectFailure('USAGE', reason, () =>
    recalibrate(options({ model: placeholder(1 - 1e-4, 'epsilon.onnx'), out: at('out.onnx') })),
  );
  const { notes } = await noted({ model: folded, out: at('out.onnx'), allowWorse: true });
  assert.match(notes, /every mean is 0/);
  const moments = at('moments.safetensors');
  await recalibrate(options({ model: folded, momentsOut: moments }));
  await expectFailure('USAGE', reason, () =>
    mergeMoments({ moments: [moments], model: folded, out: at('merged.onnx') }),
  );
  // Statistics that were lost are 0 and 0: measuring them can only help.
  await recalibrate(options({ model: placeholder(0, 'lost.onnx'), out: at('lost-out.onnx') }));
});
