import { join } from 'node:path';
import { CHECKPOINTS, FASHION } from './fashion.ts';
import { type CliResult, ONNX_TEMPER, runProgram } from './run-cli.ts';
import { ON_CPU, TRANSFORM } from './run-eval.ts';

const idx = (name: string): string => join(FASHION, `${name}-ubyte.gz`);

/** Three good epochs, and the worst of all as the last. */
export const WORST_LAST = [
  ...['epoch_21', 'epoch_23', 'epoch_25', 'epoch_22'].map((name) => join(CHECKPOINTS, `${name}.onnx`)),
  ...['--order', 'list', '--include', 'last'],
];
export const VAL = ['--val', idx('test-images-idx3'), '--val-labels', idx('test-labels-idx1')] as const;
export const TRAIN = ['--train', idx('train-2k-images-idx3'), '--train-labels', idx('train-2k-labels-idx1')] as const;
export const SIZED = [...TRANSFORM, '--size', '20'] as const;

/** The words of a run, without its output. */
export const finishWords = (...args: readonly string[]): string[] => ['finish', ...args, '--quiet'];

export const finish = (...args: readonly string[]): CliResult => runProgram(ONNX_TEMPER, finishWords(...args));

/** On one thread, as the fixtures were trained to be seen. */
export const COMMON = [...SIZED, ...ON_CPU] as const;
