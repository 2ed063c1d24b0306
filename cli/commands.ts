import { command } from './shared/command.ts';

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
);
