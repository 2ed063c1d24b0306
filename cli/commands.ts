import { command } from './shared/command.ts';

export const EVAL_CKPT = command(
  'eval-ckpt',
  'Measure models: accuracy, calibration, speed, with paired tests',
  async () => (await import('./eval-ckpt/options.ts')).EVAL_CKPT,
  async () => (await import('./eval-ckpt/command.ts')).evalCkpt,
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
