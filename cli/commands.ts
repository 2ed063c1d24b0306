import { command } from './shared/command.ts';

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
);

export const FIX_RES = command(
  'fix-res',
  'Tune the last BatchNormalization and the classifier for another test size (FixRes)',
  async () => (await import('./fix-res/options.ts')).FIX_RES,
  async () => (await import('./fix-res/command.ts')).fixResCommand,
);
