import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalJson, version } from '../../../../src/core/index.ts';
import { openDataset, resolveTransform, rowsHash, transformHash } from '../../../../src/data/index.ts';
import { cutModel } from '../../../../src/fixres/cut/cut.ts';
import { settingsOf } from '../../../../src/fixres/run/settings.ts';
import { tuningOf } from '../../../../src/fixres/run/tuning.ts';
import { openModel } from '../../../../src/onnx/index.ts';
import { FASHION, SNAPSHOTS } from '../../../support/fashion.ts';

const FILES = { model: 'm.onnx', out: 'o.onnx', train: { source: 'train' }, val: { source: 'val' }, size: 28 };
const transforms = { train: resolveTransform({ size: 20 }), test: resolveTransform({ size: 28 }) };

async function settings(mode: 'stats' | 'affine', patience?: number) {
  const dataset = await openDataset(`${FASHION}/test-20px-images-idx3-ubyte.gz`);
  const model = openModel(SNAPSHOTS[0] as string);
  const train = { dataset, rows: Uint32Array.of(0, 1, 2) };
  const stop = patience === undefined ? undefined : { dataset, rows: Uint32Array.of(4, 5) };
  try {
    return settingsOf(
      {
        subject: { freed: undefined, cut: cutModel(model, mode, 'logits') },
        images: { train, targets: undefined, stop, measured: [] },
        transforms,
        tuning: tuningOf({ ...FILES, mode, patience, batch: 100, epochs: 4, shuffle: false }),
      },
      { input: { sha256: 'f' }, manifest: undefined },
    );
  } finally {
    model.close();
    await dataset.close();
  }
}

test('the settings of a run say model, sizes, images, transform, views, and how it was trained', async () => {
  const { data_table_sha256: table, views, ...found } = await settings('affine', 3);
  assert.match(String(table), /^[0-9a-f]{64}$/);
  assert.deepEqual({ ...(views as object) }, { ...(views as object), count: 4, seed: 0 });
  assert.deepEqual(found, {
    ...{ tool: 'onnx-temper', version, command: 'fix-res', input: { sha256: 'f' }, mode: 'affine' },
    layer: { name: 'layer3.bn2', batch_normalization: 'kept' },
    ...{ train_size: '20', test_size: '28', data: 'test-20px-images-idx3-ubyte.gz' },
    rows_sha256: rowsHash(Uint32Array.of(0, 1, 2)),
    transform: transforms.test,
    transform_sha256: transformHash(transforms.test),
    optimizer: {
      ...{ name: 'sgd', lr: (8e-3 * 100) / 512, momentum: 0.9, weight_decay: 1e-4, schedule: 'step', epochs: 4 },
      ...{ batch: 100, shuffle: false, seed: 0, label_smoothing: 0 },
    },
    targets: null,
    early_stopping: { patience: 3, data_table_sha256: table, rows_sha256: rowsHash(Uint32Array.of(4, 5)) },
  });
});

test('statistics have no optimizer: runs that differ in it alone are one run', async () => {
  const found = await settings('stats');
  assert.ok(!('optimizer' in found || 'targets' in found || 'early_stopping' in found));
  assert.equal(canonicalJson(found), canonicalJson(await settings('stats')));
});
