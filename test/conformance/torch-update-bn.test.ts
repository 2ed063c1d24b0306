/** Recalibration of checkpoints through templates, folded or not, against torch's update_bn on the network itself. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { recalibrate } from '../../src/batchnorm/index.ts';
import { npyBytes } from '../support/dataset-files.ts';
import { runModel } from '../support/run-model.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const IMAGE = 3 * 16 * 16;
/** As fixtures/exports/make.py makes them. */
const images = Float32Array.from({ length: 64 * IMAGE }, (_, i) => Math.fround(((i * 7919) % 1009) / 504.5) - 1);
const source = join(root, 'images.npy');
writeFileSync(source, npyBytes('<f4', '(64, 3, 16, 16)', new Uint8Array(images.buffer)));

/** torch's update_bn leaves the frozen layer of `transposed` alone. */
const LAYERS: Readonly<Record<string, readonly string[]>> = { mobile: ['*'], dense: ['*'], transposed: ['b', 'b2'] };

for (const [network, layers] of Object.entries(LAYERS)) {
  for (const exporter of ['dynamo', 'legacy']) {
    test(`${network}, ${exporter}: a checkpoint gives what it gives in torch after update_bn`, async () => {
      const folder = join('fixtures/exports', network);
      const out = join(root, `${network}-${exporter}.onnx`);
      await recalibrate({
        model: join(folder, 'epoch_0.safetensors'),
        template: join(folder, `${exporter}.onnx`),
        templateOf: join(folder, 'epoch_1.safetensors'),
        data: { source },
        ...{ estimator: 'torch', batch: 32, layers, device: 'cpu', threads: 1, out },
      });
      const golden = JSON.parse(readFileSync(join(folder, 'update-bn.json'), 'utf8')) as number[][];
      const values = [...images.subarray(0, 8 * IMAGE)];
      const found = await runModel(out, { input: { values, dims: [8, 3, 16, 16] } });
      const worst = Math.max(...golden.flat().map((value, i) => Math.abs(value - found[i]!)));
      assert.ok(worst < 1e-5, `differs by ${worst}`);
    });
  }
}
