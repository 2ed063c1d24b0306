import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../../src/core/index.ts';
import { npyBytes } from './dataset-files.ts';
import { node, tensor, valueInfo, writeModel } from './model-builder.ts';
import { normal } from './synthetic-predictions.ts';

const SIDE = 12;
/** Mean colours of the classes, from 0 to 1. */
const COLOURS = [
  [0.4, 0.45, 0.5],
  [0.55, 0.45, 0.45],
  [0.45, 0.55, 0.55],
  [0.55, 0.55, 0.5],
] as const;
const CLASSES = COLOURS.length;
/** Of a picture's colour around its class, and of a pixel's around its picture. */
const [PICTURE_SPREAD, PIXEL_SPREAD] = [0.035, 0.08];
const [MEAN, DEVIATION] = [0.5, 0.1];
/** Of the weights of one epoch around the best ones: the last is the noisiest. */
const EPOCH_SPREADS = [2.4, 2.4, 2.4, 2.4, 2.4, 2.4, 2.6];

/** Pictures of one colour and noise, as an array of [n, side, side, 3] bytes with labels. */
function writePictures(folder: string, name: string, n: number, classes: readonly number[]): void {
  const stream = random(0, 'pictures', name);
  const labels = Array.from({ length: n }, (_, i) => classes[i % classes.length] as number);
  const pixels = labels.flatMap((label) => {
    const colour = (COLOURS[label] as readonly number[]).map((value) => value + PICTURE_SPREAD * normal(stream));
    return Array.from({ length: 3 * SIDE * SIDE }, (_, k) => {
      const value = (colour[k % 3] as number) + PIXEL_SPREAD * normal(stream);
      return Math.min(255, Math.max(0, Math.round(255 * value)));
    });
  });
  writeFileSync(join(folder, `${name}.npy`), npyBytes('|u1', `(${n}, ${SIDE}, ${SIDE}, 3)`, Uint8Array.from(pixels)));
  const numbers = new Uint8Array(BigInt64Array.from(labels, BigInt).buffer);
  writeFileSync(join(folder, `${name}-labels.npy`), npyBytes('<i8', `(${n},)`, numbers));
}

/**
 * The score of a class: how near the mean colour lies to its own, in the units of BatchNormalization. Averages of epochs take the noise
 * away from the weights; a mean colour is the same at every size.
 */
function writeEpoch(path: string, epoch: number, spread: number): void {
  const stream = random(1, 'epoch', epoch);
  const centres = COLOURS.map((colour) => colour.map((value) => (value - MEAN) / DEVIATION));
  const noisy = (value: number): number => value + spread * normal(stream);
  const same = Array.from({ length: 9 }, (_, i) => Number(i % 4 === 0));
  writeModel(path, {
    nodes: [
      node('Conv', ['image', 'conv.weight'], ['maps'], { kernel_shape: [1, 1] }),
      node('BatchNormalization', ['maps', 'bn.weight', 'bn.bias', 'bn.mean', 'bn.var'], ['normal']),
      node('GlobalAveragePool', ['normal'], ['pooled']),
      node('Flatten', ['pooled'], ['features'], { axis: 1 }),
      node('Gemm', ['features', 'fc.weight', 'fc.bias'], ['logits'], { transB: 1 }),
    ],
    initializers: [
      tensor({ name: 'conv.weight', dims: [3, 3, 1, 1], values: same }),
      tensor({ name: 'bn.weight', dims: [3], values: [1, 1, 1] }),
      tensor({ name: 'bn.bias', dims: [3], values: [0, 0, 0] }),
      tensor({ name: 'bn.mean', dims: [3], values: [MEAN, MEAN, MEAN] }),
      tensor({ name: 'bn.var', dims: [3], values: new Array<number>(3).fill(DEVIATION ** 2) }),
      tensor({ name: 'fc.weight', dims: [CLASSES, 3], values: centres.flat().map((value) => noisy(6 * value)) }),
      tensor({
        name: 'fc.bias',
        dims: [CLASSES],
        values: centres.map((centre) => noisy(-3 * centre.reduce((sum, value) => sum + value * value, 0))),
      }),
    ],
    inputs: [valueInfo('image', ['batch', 3, 'height', 'width'])],
    outputs: [valueInfo('logits', ['batch', CLASSES])],
  });
}

/**
 * A run in colour in which averaging helps, no size is better than another, and statistics of the training images hurt: those are of one class
 * alone. @returns the words of the command
 */
export function writeColourRun(folder: string): string[] {
  mkdirSync(join(folder, 'run'), { recursive: true });
  for (const [epoch, spread] of EPOCH_SPREADS.entries())
    writeEpoch(join(folder, 'run', `epoch-${epoch}.onnx`), epoch, spread);
  writePictures(folder, 'train', 200, [3]);
  writePictures(folder, 'val', 1200, [0, 1, 2, 3]);
  const at = (name: string): string => join(folder, name);
  return [
    ...[at('run'), '--train', at('train.npy'), '--val', at('val.npy'), '--val-labels', at('val-labels.npy')],
    ...['--preset', 'none', '--size', String(SIDE), '--sizes', '0.75x,1x,1.5x', '--include', 'last'],
  ];
}
