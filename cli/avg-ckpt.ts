#!/usr/bin/env node
import { AVG_CKPT } from './commands.ts';
import { main } from './shared/main.ts';

await main(AVG_CKPT);
