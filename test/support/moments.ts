import type { BatchMoments, MomentsRun } from '../../src/batchnorm/index.ts';
import { seeded } from './random.ts';

const hash = (digit: string): string => digit.repeat(64);

/** A job of two layers, float32 and float64. */
export const RUN: MomentsRun = {
  version: '1.2.3',
  model_sha256: hash('a'),
  data: 'images',
  transform: '{}',
  data_table_sha256: hash('b'),
  rows_sha256: hash('c'),
  transform_sha256: hash('d'),
  views: 'null',
  batch_size: 32,
  batches: 11,
  layers: [
    { name: 'conv1/bn "é"', channels: 5 },
    { name: '', channels: 3 },
  ],
  provider: 'cpu',
  onnxruntime: '1.30.0',
  processor: 'x86-64',
};

/** All batches of the job, of values that no shorter decimal holds; the last batch is a short one. */
export function jobBatches({ batches, batch_size, layers }: MomentsRun = RUN): BatchMoments[] {
  const next = seeded(7);
  return Array.from({ length: batches }, (_, batch) => {
    const images = batch === batches - 1 ? 9 : batch_size;
    return {
      batch,
      images,
      layers: layers.map(({ channels }, l) => {
        const type = l % 2 === 0 ? Float32Array : Float64Array;
        const values = (scale: number) => new type(Array.from({ length: channels }, () => next() * scale));
        return { count: images * 49, mean: values(1000), variance: values(3) };
      }),
    };
  });
}
