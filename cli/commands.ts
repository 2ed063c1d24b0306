import { command } from './shared/command.ts';
import { rootCommand } from './shared/root.ts';

export const AVG_CKPT = command(
  'avg-ckpt',
  'Average saved snapshots (SWA, EMA, power-function EMA)',
  async () => (await import('./avg-ckpt/options.ts')).AVG_CKPT,
  async () => (await import('./avg-ckpt/command.ts')).avgCkpt,
  [
    command(
      'search',
      'Make many averages, evaluate each, and write the best; report it on images that chose nothing',
      async () => (await import('./avg-ckpt/search-options.ts')).SEARCH_COMMAND,
      async () => (await import('./avg-ckpt/search-command.ts')).search,
    ),
    command(
      'swag',
      'Draw weights around the mean (SWAG), and evaluate the mean of their predictions beside the mean of the weights',
      async () => (await import('./avg-ckpt/swag-options.ts')).SWAG_COMMAND,
      async () => (await import('./avg-ckpt/swag-command.ts')).swag,
    ),
    command(
      'verify',
      'Recompute an average from its record and compare every byte (exit code 1 if it differs)',
      async () => (await import('./avg-ckpt/verify-options.ts')).VERIFY_AVERAGE,
      async () => (await import('./avg-ckpt/verify-command.ts')).verifyAverage,
    ),
    command(
      'diagnose',
      'Show how well snapshots belong together, before averaging them',
      async () => (await import('./avg-ckpt/diagnose-options.ts')).DIAGNOSE,
      async () => (await import('./avg-ckpt/diagnose-command.ts')).diagnose,
    ),
  ],
);

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
);

export const BN_RECAL = command(
  'bn-recal',
  'Recompute BatchNormalization statistics over a data set, after averaging or for another size or domain',
  async () => (await import('./bn-recal/options.ts')).BN_RECAL,
  async () => (await import('./bn-recal/command.ts')).bnRecal,
  [
    command(
      'merge',
      'Put the moments of all workers together: the bytes that one worker would have written',
      async () => (await import('./bn-recal/merge-options.ts')).BN_RECAL_MERGE,
      async () => (await import('./bn-recal/merge-command.ts')).bnRecalMerge,
    ),
  ],
);

export const TEACHER_LOGITS = command(
  'teacher-logits',
  'Store what teachers say about every image, for distillation: logits at several temperatures, by sample and view',
  async () => (await import('./teacher-logits/options.ts')).TEACHER_LOGITS,
  async () => (await import('./teacher-logits/command.ts')).teacherLogits,
  [
    command(
      'merge',
      'Check that all parts of all workers are there and whole, and complete the store',
      async () => (await import('./teacher-logits/merge-options.ts')).MERGE,
      async () => (await import('./teacher-logits/merge-command.ts')).merge,
    ),
    command(
      'verify',
      'Check every byte of a store, and recompute a sample of it: exit code 1 if anything differs',
      async () => (await import('./teacher-logits/verify-options.ts')).VERIFY,
      async () => (await import('./teacher-logits/verify-command.ts')).verify,
    ),
    command(
      'score',
      'Compare a student with stored targets: T²·KL at each temperature, agreement, accuracy, by class, the worst rows',
      async () => (await import('./teacher-logits/score-options.ts')).SCORE,
      async () => (await import('./teacher-logits/score-command.ts')).score,
    ),
    command(
      'export',
      'Write stored targets as .npy arrays, Parquet, or sidecar tars for WebDataset',
      async () => (await import('./teacher-logits/export-options.ts')).EXPORT,
      async () => (await import('./teacher-logits/export-command.ts')).exportStore,
    ),
  ],
);

export const RES_SWEEP = command(
  'res-sweep',
  'Measure models at many sizes: which one to test at, and whether it is worth the time',
  async () => (await import('./res-sweep/options.ts')).RES_SWEEP,
  async () => (await import('./res-sweep/command.ts')).resSweep,
);

export const FIX_RES = command(
  'fix-res',
  'Tune the last BatchNormalization and the classifier for another test size (FixRes)',
  async () => (await import('./fix-res/options.ts')).FIX_RES,
  async () => (await import('./fix-res/command.ts')).fixResCommand,
);

const INSPECT = command(
  'inspect',
  'Say what files are: of a model what it takes and gives, with sources; whether data fits it',
  async () => (await import('./inspect/options.ts')).INSPECT,
  async () => (await import('./inspect/command.ts')).inspect,
);

/** A subcommand of onnx-temper only. */
const CALIBRATE = command(
  'calibrate',
  'Fit a temperature (or a scale and shift of each class) and put it into the model, if that is better',
  async () => (await import('./calibrate/options.ts')).CALIBRATE,
  async () => (await import('./calibrate/command.ts')).calibrateCommand,
);

/** A subcommand of onnx-temper only. */
const FINISH = command(
  'finish',
  "From a run's snapshots to the best model: averages, test size, calibration, whatever helps, and what each step brought",
  async () => (await import('./finish/options.ts')).FINISH,
  async () => (await import('./finish/command.ts')).finishCommand,
);

export const ONNX_TEMPER = rootCommand(
  'onnx-temper',
  'Get the last points of accuracy out of saved image-classifier snapshots, on ONNX files',
  [FINISH, AVG_CKPT, EVAL_CKPT, BN_RECAL, TEACHER_LOGITS, RES_SWEEP, FIX_RES, CALIBRATE, INSPECT],
);
