import { command } from './shared/command.ts';

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
);

const BN_RECAL_MERGE = command(
  'merge',
  'Put the moments of all workers together: the bytes that one worker would have written',
  async () => (await import('./bn-recal/merge-options.ts')).BN_RECAL_MERGE,
  async () => (await import('./bn-recal/merge-command.ts')).bnRecalMerge,
);

export const BN_RECAL = command(
  'bn-recal',
  'Recompute BatchNormalization statistics over a data set, after averaging or for another size or domain',
  async () => (await import('./bn-recal/options.ts')).BN_RECAL,
  async () => (await import('./bn-recal/command.ts')).bnRecal,
  [BN_RECAL_MERGE],
);
