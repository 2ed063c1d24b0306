#!/usr/bin/env node
import { addEvalCkpt } from './eval-ckpt/command.ts';
import { main } from './shared/main.ts';

await main('eval-ckpt', addEvalCkpt);
