import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { random } from '../../src/core/index.ts';
import { cutModel } from '../../src/fixres/cut/cut.ts';
import { collectFeatures, type ImageBatch } from '../../src/fixres/train/collect-features.ts';
import { labelTargets } from '../../src/fixres/train/targets.ts';
import { initialState, openTrainer } from '../../src/fixres/train/train.ts';
import { openModel } from '../../src/onnx/index.ts';
import { seededFile } from '../support/seeded-model.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PYTHON = process.env.PYTHON ?? '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('../../../test/conformance/peers/torchvision_fixres.py', import.meta.url));
const RUN = { device: 'cpu', threads: 1 } as const;
const SIZE = 64;
/** The last batch is short. */
const [IMAGES, BATCH, CLASSES] = [10, 4, 1000];
/** Relative, of the losses; and of weights and statistics to the largest of their kind. */
const TOLERANCE = 2e-4;

interface Expected {
  readonly losses: readonly number[];
  readonly weight: readonly number[];
  readonly bias: readonly number[];
  readonly scale: readonly number[];
  readonly shift: readonly number[];
  readonly mean: readonly number[];
  readonly variance: readonly number[];
}

function images(): Float32Array {
  const pixels = SIZE * SIZE;
  const data = new Float32Array(IMAGES * 3 * pixels);
  for (let plane = 0; plane < IMAGES * 3; plane++) {
    const stream = random(0, 'image', plane);
    const level = stream.float() * 4 - 2;
    for (let i = 0; i < pixels; i++) data[plane * pixels + i] = level + stream.float() - 0.5;
  }
  return data;
}

async function* batches(data: Float32Array): AsyncGenerator<ImageBatch> {
  const image = 3 * SIZE * SIZE;
  for (let from = 0; from < IMAGES; from += BATCH) {
    const count = Math.min(BATCH, IMAGES - from);
    yield {
      images: {
        type: 'float32',
        dims: [count, 3, SIZE, SIZE],
        data: data.slice(from * image, (from + count) * image) as Float32Array<ArrayBuffer>,
      },
      keys: Array.from({ length: count }, (_, i) => String(from + i)),
      labels: Int32Array.from({ length: count }, (_, i) => (7 * (from + i)) % CLASSES),
    };
  }
}

/** softmax(5 · one-hot / T): what the peer's teacher says. */
const softTargets = (temperature: number) => ({
  classes: CLASSES,
  fill(row: number, into: Float32Array): void {
    const high = Math.exp(5 / temperature);
    into.fill(1 / (high + CLASSES - 1));
    into[(7 * row) % CLASSES] = high / (high + CLASSES - 1);
  },
});

function assertClose(name: string, found: Float32Array, expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / scale;
  assert.ok(worst < TOLERANCE, `${name}: ${worst} of the largest`);
  return worst;
}

const probe = spawnSync(PYTHON, ['-c', 'import torch, torchvision, onnx'], { stdio: 'ignore' });
const skip = probe.status !== 0 && `${PYTHON} has no torch, torchvision and onnx`;
const folder = tempFolder();

for (const [arch, temperature] of [
  ['resnet18', 1],
  ['mobilenet_v2', 1],
  ['efficientnet_b0', 3],
  ['densenet121', 1],
] as const) {
  test(`${arch}: losses, weights and statistics of torch after three epochs, T = ${temperature}`, {
    skip,
  }, async (t) => {
    const [path, imagesPath, data] = [join(folder, `${arch}.onnx`), join(folder, 'images.f32'), images()];
    writeFileSync(path, seededFile(arch));
    writeFileSync(imagesPath, data);
    const args = [SCRIPT, arch, path, imagesPath, `${SIZE}`, `${BATCH}`, `${temperature}`];
    const { stdout, stderr, status } = spawnSync(PYTHON, args, {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, OMP_WAIT_POLICY: 'passive' },
    });
    assert.equal(status, 0, stderr);
    const torch = JSON.parse(stdout) as Record<string, Expected>;
    const model = openModel(path);
    try {
      for (const mode of ['fc', 'paper', 'affine'] as const) {
        const cut = cutModel(model, mode, 'output');
        const { cache, labels } = await collectFeatures(
          model,
          { names: cut.tail.inputs, memoryBytes: 2 ** 28, folder, expectedRows: IMAGES },
          { ...RUN, batches: batches(data) },
        );
        const state = initialState(cut);
        const targets = temperature === 1 ? labelTargets(labels!, CLASSES, 0.1) : softTargets(temperature);
        const trainer = await openTrainer(cut, cache, { count: 1, order: 'by-view' }, targets, state, {
          ...RUN,
          ...{ epochs: 3, batch: BATCH, lr: 0.02, momentum: 0.9, weightDecay: 1e-3, schedule: 'step', temperature },
          shuffle: undefined,
        });
        const expected = torch[mode]!;
        const found = (name: string) => state.parameters.get(name)!;
        for (const loss of expected.losses) {
          const { train_loss } = await trainer.epoch(state);
          assert.ok(Math.abs(train_loss / loss - 1) < TOLERANCE, `${mode}: loss ${train_loss}, torch ${loss}`);
        }
        await trainer.close();
        cache.close();
        const [weight, bias] = cut.tail.classifier.map(({ name }) => found(name));
        const worst = [
          assertClose('weight', weight!.subarray(0, expected.weight.length), expected.weight),
          assertClose('bias', bias!, expected.bias),
        ];
        const { norm } = cut.tail;
        if (norm) {
          worst.push(assertClose('scale', found(norm.scale), expected.scale));
          worst.push(assertClose('shift', found(norm.bias), expected.shift));
          worst.push(assertClose('mean', found(norm.mean), expected.mean));
          worst.push(assertClose('variance', found(norm.variance), expected.variance));
        }
        t.diagnostic(`${mode}: worst ${Math.max(...worst).toExponential(1)}`);
      }
    } finally {
      model.close();
    }
  });
}
