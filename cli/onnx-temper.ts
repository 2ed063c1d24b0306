#!/usr/bin/env node
import { main } from './support/main.ts';

await main('onnx-temper', (parser) =>
  parser
    .command('avg-ckpt', 'Average saved snapshots (SWA, EMA, power-function EMA)', async (y) => {
      const { addAvgCkpt } = await import('./avg-ckpt.ts');
      return addAvgCkpt(y);
    })
    .demandCommand(1, 'Name a command.'),
);
