#!/usr/bin/env node
import { addAvgCkpt } from './avg-ckpt/command.ts';
import { main } from './shared/main.ts';

await main('avg-ckpt', addAvgCkpt);
