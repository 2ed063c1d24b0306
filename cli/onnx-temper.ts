#!/usr/bin/env node
import { main } from './shared/main.ts';

await main('onnx-temper', (parser) =>
  parser
    .command('avg-ckpt', 'Average saved snapshots (SWA, EMA, power-function EMA)', async (y) => {
      const { addAvgCkpt } = await import('./avg-ckpt/command.ts');
      return addAvgCkpt(y);
    })
    .command('eval-ckpt', 'Measure models: accuracy, calibration, speed, with paired tests', async (y) => {
      const { addEvalCkpt } = await import('./eval-ckpt/command.ts');
      return addEvalCkpt(y);
    })
    .command('bn-recal', 'Recalibrate BatchNormalization statistics over a data set', async (y) => {
      const { addBnRecalCommands } = await import('./bn-recal/command.ts');
      return addBnRecalCommands(y);
    })
    .command('teacher-logits', 'Store what teachers say about every image, for distillation', async (y) => {
      const { addTeacherLogitsCommands } = await import('./teacher-logits/command.ts');
      return addTeacherLogitsCommands(y);
    })
    .command(
      'res-sweep',
      'Measure models at many sizes: which one to test at, and whether it is worth the time',
      async (y) => {
        const { addResSweep } = await import('./res-sweep/command.ts');
        return addResSweep(y);
      },
    )
    .command('fix-res', 'Tune the last BatchNormalization and the classifier for another test size', async (y) => {
      const { addFixRes } = await import('./fix-res/command.ts');
      return addFixRes(y);
    })
    .demandCommand(1, 'Name a command.'),
);
