import { command } from './shared/command.ts';
import { rootCommand } from './shared/root.ts';

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
);

export const ONNX_TEMPER = rootCommand(
  'onnx-temper',
  'Get the last points of accuracy out of saved image-classifier snapshots, on ONNX files',
  [EVAL_CKPT],
);
