import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ESTIMATORS, findLayers, type NumberedBatch, recalibrateByBatch } from '../../src/batchnorm/index.ts';
import { random } from '../../src/core/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { seededFile } from '../support/seeded-model.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PYTHON = process.env.PYTHON ?? '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('../../../test/conformance/peers/torchvision_update_bn.py', import.meta.url));
const SIZE = 96;
/** The last batch is short, so that weighting by images and by batches differ. */
const [IMAGES, BATCH] = [40, 16];
/** In standard deviations, and relative: float32 convolutions of two libraries, behind up to 120 normalised layers. */
const TOLERANCE = { mean: 2e-5, variance: 1e-4 };

interface Statistics {
  readonly mean: ArrayLike<number>;
  readonly variance: ArrayLike<number>;
}
type Expected = Readonly<Record<(typeof ESTIMATORS)[number], Readonly<Record<string, Statistics>>>>;

/** Noise on a slope, each plane with its own level: images differ from one another. */
function seededImages(): Float32Array {
  const pixels = SIZE * SIZE;
  const data = new Float32Array(IMAGES * 3 * pixels);
  for (let plane = 0; plane < IMAGES * 3; plane++) {
    const stream = random(0, 'image', plane);
    const [level, slope] = [stream.float() * 4 - 2, stream.float() * 2 - 1];
    for (let i = 0; i < pixels; i++)
      data[plane * pixels + i] = level + (slope * (i % SIZE)) / SIZE + stream.float() - 0.5;
  }
  return data;
}

async function* batchesOf(data: Float32Array): AsyncGenerator<NumberedBatch> {
  const image = 3 * SIZE * SIZE;
  for (let from = 0; from < IMAGES; from += BATCH) {
    const count = Math.min(BATCH, IMAGES - from);
    const values = data.slice(from * image, (from + count) * image);
    yield { batch: from / BATCH, images: { type: 'float32', dims: [count, 3, SIZE, SIZE], data: values } };
  }
}

/** The largest distances over a layer's channels. */
function distance(found: Statistics, expected: Statistics): { mean: number; variance: number } {
  let [mean, variance] = [0, 0];
  for (let c = 0; c < expected.mean.length; c++) {
    const truth = expected.variance[c] as number;
    mean = Math.max(mean, Math.abs((found.mean[c] as number) - (expected.mean[c] as number)) / Math.sqrt(truth));
    variance = Math.max(variance, Math.abs((found.variance[c] as number) / truth - 1));
  }
  return { mean, variance };
}

const probe = spawnSync(PYTHON, ['-c', 'import torch, torchvision, onnx'], { stdio: 'ignore' });
const skip = probe.status !== 0 && `${PYTHON} has no torch, torchvision and onnx`;
const folder = tempFolder();

for (const arch of ['resnet18', 'mobilenet_v2', 'densenet121', 'efficientnet_b0']) {
  test(`${arch}: statistics are torch's update_bn and fvcore's population estimate`, { skip }, async (t) => {
    const [path, imagesPath, data] = [join(folder, `${arch}.onnx`), join(folder, 'images.f32'), seededImages()];
    writeFileSync(path, seededFile(arch));
    writeFileSync(imagesPath, data);
    const { stdout, stderr, status } = spawnSync(PYTHON, [SCRIPT, arch, path, imagesPath, `${SIZE}`, `${BATCH}`], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, OMP_WAIT_POLICY: 'passive' },
    });
    assert.equal(status, 0, stderr);
    const expected = JSON.parse(stdout) as Expected;
    const model = openModel(path);
    try {
      const { layers } = findLayers(model);
      for (const name of ESTIMATORS) {
        assert.deepEqual(layers.map((layer) => layer.name).sort(), Object.keys(expected[name]).sort());
        const options = { device: 'cpu', threads: 1, batches: () => batchesOf(data) } as const;
        const { measured } = await recalibrateByBatch(model, layers, name, options);
        const distances = measured.map(({ layer, statistics }) =>
          distance(statistics, expected[name][layer.name] as Statistics),
        );
        const worst = {
          mean: Math.max(...distances.map(({ mean }) => mean)),
          variance: Math.max(...distances.map(({ variance }) => variance)),
        };
        t.diagnostic(`${name}: mean ${worst.mean.toExponential(1)} sd, variance ${worst.variance.toExponential(1)}`);
        assert.ok(worst.mean <= TOLERANCE.mean && worst.variance <= TOLERANCE.variance, JSON.stringify(worst));
      }
    } finally {
      model.close();
    }
  });
}
