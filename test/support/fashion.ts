import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readIdxImages, readIdxLabels } from '../../src/data/index.ts';
import type { LabelledBatch } from '../../src/evaluate/index.ts';

/** The real snapshots and images of fixtures/fashion. */
export const FASHION = fileURLToPath(new URL('../../../fixtures/fashion', import.meta.url));

export interface GoldenScore {
  readonly top1: number;
  readonly top5: number;
  readonly nll: number;
}

/** torch's numbers. */
export const GOLDEN = JSON.parse(readFileSync(`${FASHION}/golden.json`, 'utf8')) as Record<string, GoldenScore> & {
  readonly single: Readonly<Record<string, GoldenScore>>;
  readonly sweep: Readonly<Record<string, { readonly uniform: GoldenScore }>>;
  readonly uniform_fc_weight_head: readonly number[];
  readonly uniform_logits_100: readonly (readonly number[])[];
};

/** The 12 snapshots in training order. */
export const CHECKPOINTS = join(FASHION, 'checkpoints');
export const SNAPSHOTS: readonly string[] = readdirSync(CHECKPOINTS)
  .sort()
  .map((name) => join(CHECKPOINTS, name));

/** (x / 255 - mean) / std, each step rounded to float32 as torch does. */
function normalised(): Float32Array {
  const [mean, std] = [Math.fround(0.286), Math.fround(0.353)];
  return Float32Array.from({ length: 256 }, (_, x) => Math.fround(Math.fround(x / 255) - mean) / std);
}

/** Pixels of 8 bits as the network takes them. */
export function fashionPixels(pixels: Uint8Array): Float32Array<ArrayBuffer> {
  const table = normalised();
  return Float32Array.from(pixels, (x) => table[x] as number);
}

/** The 10,000 test images at 20 px, ready for the network. */
export async function* testBatches(size: number): AsyncGenerator<LabelledBatch> {
  const images = await readIdxImages(`${FASHION}/test-20px-images-idx3-ubyte.gz`);
  const labels = await readIdxLabels(`${FASHION}/test-labels-idx1-ubyte.gz`);
  const pixels = images.height * images.width;
  for (let from = 0; from < images.count; from += size) {
    const to = Math.min(from + size, images.count);
    const data = fashionPixels(images.data.subarray(from * pixels, to * pixels));
    yield {
      images: [{ type: 'float32', dims: [to - from, 1, images.height, images.width], data }],
      keys: Array.from({ length: to - from }, (_, i) => String(from + i).padStart(8, '0')),
      labels: labels.subarray(from, to),
    };
  }
}
