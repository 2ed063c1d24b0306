// Times an epoch of fix-res from cached features against a forward pass over the same images: `npm run bench:fixres`.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { random } from '../../src/core/index.ts';
import { cutModel } from '../../src/fixres/cut/cut.ts';
import { collectFeatures } from '../../src/fixres/train/collect-features.ts';
import { labelTargets } from '../../src/fixres/train/targets.ts';
import { initialState, openTrainer } from '../../src/fixres/train/train.ts';
import { modelFromBytes } from '../../src/onnx/index.ts';
import { openSession, type Tensor } from '../../src/runtime/index.ts';
import { seededFile } from '../support/seeded-model.ts';
import { median } from './measure.ts';

/** An epoch of `fc`, as a share of the forward pass. */
const TARGET = 0.02;

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'resnet18' },
    size: { type: 'string', default: '224' },
    batch: { type: 'string', default: '64' },
    images: { type: 'string', default: '256' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    repetitions: { type: 'string', default: '7' },
  },
});
const [size, batch, images, threads, repetitions] = (
  ['size', 'batch', 'images', 'threads', 'repetitions'] as const
).map((name) => Number(options[name])) as [number, number, number, number, number];

const stream = random(0, 'images');
const pixels = Float32Array.from({ length: batch * 3 * size * size }, () => stream.float() * 4 - 2);
/** A copy: a session takes over what it is given. */
const batchOf = (count: number): Tensor => ({
  type: 'float32',
  dims: [count, 3, size, size],
  data: pixels.slice(0, count * 3 * size * size),
});
const file = seededFile(options.model);
const model = modelFromBytes(file);
const run = { device: 'cpu', threads } as const;
const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));

async function* batches() {
  for (let from = 0; from < images; from += batch) {
    const count = Math.min(batch, images - from);
    const labels = Int32Array.from({ length: count }, () => stream.below(1000));
    yield { images: batchOf(count), labels, keys: Array.from(labels, () => '') };
  }
}

interface Pass {
  readonly name: string;
  /** Milliseconds over all images. */
  run(): Promise<number>;
  close(): Promise<void>;
}

async function forwardPass(): Promise<Pass> {
  const session = await openSession({ model: file, ...run, label: options.model });
  return {
    name: 'forward pass',
    async run() {
      const start = performance.now();
      for (let from = 0; from < images; from += batch)
        await session.run({ input: batchOf(Math.min(batch, images - from)) });
      return performance.now() - start;
    },
    close: () => session.close(),
  };
}

async function epochOf(mode: 'fc' | 'paper' | 'affine'): Promise<Pass> {
  const cut = cutModel(model, mode, 'output');
  const cache = { names: cut.tail.inputs, memoryBytes: 2 ** 31, folder, expectedRows: images };
  const features = await collectFeatures(model, cache, { ...run, batches: batches() });
  const state = initialState(cut);
  const targets = labelTargets(features.labels ?? [], cut.tail.classes, 0);
  const trainer = await openTrainer(cut, features.cache, { count: 1, order: 'by-view' }, targets, state, {
    ...run,
    epochs: 1000,
    batch,
    lr: 1e-6,
    momentum: 0.9,
    weightDecay: 1e-4,
    schedule: 'step',
    shuffle: { seed: 0 },
    temperature: 1,
  });
  return {
    name: `epoch of ${mode} (${(features.cache.rowBytes / 1024).toFixed(0)} KiB an image)`,
    async run() {
      const start = performance.now();
      await trainer.epoch(state);
      return performance.now() - start;
    },
    async close() {
      await trainer.close();
      features.cache.close();
    },
  };
}

console.log(
  `${options.model}, ${images} images of ${size} px, batches of ${batch}, ${threads} threads, ${repetitions} rounds`,
);
try {
  const passes = [await forwardPass(), await epochOf('fc'), await epochOf('paper'), await epochOf('affine')];
  const times = passes.map(() => [] as number[]);
  for (let round = 0; round <= repetitions; round++) {
    for (const [i, pass] of passes.entries()) {
      const ms = await pass.run();
      if (round > 0) times[i]?.push(ms);
    }
  }
  const shares = times.map((ms) => median(ms.map((own, i) => own / (times[0]?.[i] as number))));
  console.log(`${''.padEnd(34)} median ms   share of forward`);
  for (const [i, { name }] of passes.entries()) {
    const share = `${((shares[i] as number) * 100).toFixed(2)} %`;
    console.log(
      name.padEnd(34),
      median(times[i] as number[])
        .toFixed(1)
        .padStart(9),
      share.padStart(18),
    );
  }
  const fc = shares[1] as number;
  console.log(
    `${fc <= TARGET ? 'met   ' : 'MISSED'} epoch of fc, at most ${TARGET * 100} %: ${(fc * 100).toFixed(2)} %`,
  );
  await Promise.all(passes.map((pass) => pass.close()));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
