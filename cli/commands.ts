import { command } from './shared/command.ts';
import { rootCommand } from './shared/root.ts';

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

export const AVG_CKPT_SEARCH = command(
  'search',
  'Make many averages, evaluate each, and write the best; report it on images that chose nothing',
  async () => (await import('./avg-ckpt/search-options.ts')).SEARCH_COMMAND,
  async () => (await import('./avg-ckpt/search-command.ts')).search,
);

export const AVG_CKPT_SWAG = command(
  'swag',
  'Draw weights around the mean (SWAG), and evaluate the mean of their predictions beside the mean of the weights',
  async () => (await import('./avg-ckpt/swag-options.ts')).SWAG_COMMAND,
  async () => (await import('./avg-ckpt/swag-command.ts')).swag,
);

export const ONNX_TEMPER = rootCommand(
  'onnx-temper',
  'Get the last points of accuracy out of saved image-classifier snapshots, on ONNX files',
  [EVAL_CKPT],
);
