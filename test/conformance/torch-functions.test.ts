/** What torch's exporter writes as local functions, one of them called twice, is recalibrated as what it writes without. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imagesOf, recalibrateFile } from '../support/batchnorm.ts';
import { decodeModel } from '../support/model-builder.ts';
import { lacksPython, runPeerWith } from '../support/python.ts';
import { runModel } from '../support/run-model.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** `export_modules_as_functions` of the exporter that is going away. */
const MODULES = ['torch', 'onnx', 'onnxscript'] as const;

test('blocks as functions: the statistics and outputs of the export without functions', {
  skip: lacksPython(...MODULES),
}, async () => {
  const files = runPeerWith<Record<'functions' | 'plain', string>>(MODULES, 'torch_functions.py', tempFolder());
  assert.equal(decodeModel(files.functions).functions?.length, 1);
  const images = imagesOf(4, [16, 3, 12, 12]);
  const feeds = { x: { values: Array.from(images.data as Float32Array), dims: images.dims } };
  const [own, plain] = await Promise.all(
    [files.functions, files.plain].map(async (path) => {
      const { measured } = await recalibrateFile(path, `${path}.out.onnx`, images);
      return {
        statistics: measured.map(({ statistics }) => statistics),
        outputs: await runModel(`${path}.out.onnx`, feeds),
      };
    }),
  );
  assert.equal(own?.statistics.length, 2);
  assert.deepEqual(own.statistics, plain?.statistics);
  own.outputs.forEach((value, i) => {
    assert.ok(Math.abs(value - (plain?.outputs[i] as number)) < 1e-5, `${value}, ${plain?.outputs[i]}`);
  });
});
