/** What the hints say of torch's exporters is true of the torch that is there: which forms keep BatchNormalization. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseLayers } from '../../src/batchnorm/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { lacksPython, runPeerWith } from '../support/python.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** The exporter that is the default since 2.9 needs onnxscript. */
const MODULES = ['torch', 'onnx', 'onnxscript'] as const;

test('the exports that the hints name keep both layers; the default ones fold them, and both are found', {
  skip: lacksPython(...MODULES),
}, () => {
  const files = runPeerWith<Record<string, string>>(MODULES, 'torch_exports.py', tempFolder());
  const found = Object.entries(files).map(([form, path]) => {
    const model = openModel(path);
    const { kept, folded } = chooseLayers(model, []);
    model.close();
    return [form, kept.length, folded.length];
  });
  assert.deepEqual(found, [
    ['default', 0, 2],
    ['unoptimized', 2, 0],
    ['torchscript', 0, 2],
    ['torchscript-kept', 2, 0],
  ]);
});
