#!/usr/bin/env node
import { EVAL_CKPT } from './commands.ts';
import { main } from './shared/main.ts';

await main(EVAL_CKPT);
