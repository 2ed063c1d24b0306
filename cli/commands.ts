import { command } from './shared/command.ts';
import { rootCommand } from './shared/root.ts';

const VERIFY_AVERAGE = command(
  'verify',
  'Recompute an average from its record and compare every byte (exit code 1 if it differs)',
  async () => (await import('./avg-ckpt/verify-options.ts')).VERIFY_AVERAGE,
  async () => (await import('./avg-ckpt/verify-command.ts')).verifyAverage,
);

const DIAGNOSE = command(
  'diagnose',
  'Show how well snapshots belong together, before averaging them',
  async () => (await import('./avg-ckpt/diagnose-options.ts')).DIAGNOSE,
  async () => (await import('./avg-ckpt/diagnose-command.ts')).diagnose,
);

export const AVG_CKPT = command(
  'avg-ckpt',
  'Average snapshots of one training run into a better checkpoint',
  async () => (await import('./avg-ckpt/options.ts')).AVG_CKPT,
  async () => (await import('./avg-ckpt/command.ts')).avgCkpt,
  [VERIFY_AVERAGE, DIAGNOSE],
);

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
);

export const ONNX_TEMPER = rootCommand(
  'onnx-temper',
  'Get the last points of accuracy out of saved image-classifier snapshots, on ONNX files',
  [AVG_CKPT, EVAL_CKPT],
);
