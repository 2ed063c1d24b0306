import { command } from './shared/command.ts';
import { rootCommand } from './shared/root.ts';

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
);

export const RES_SWEEP = command(
  'res-sweep',
  'Measure models at many sizes, crop ratios and filters in one pass over the images',
  async () => (await import('./res-sweep/options.ts')).RES_SWEEP,
  async () => (await import('./res-sweep/command.ts')).resSweep,
);

export const ONNX_TEMPER = rootCommand(
  'onnx-temper',
  'Get the last points of accuracy out of saved image-classifier snapshots, on ONNX files',
  [EVAL_CKPT, RES_SWEEP],
);
