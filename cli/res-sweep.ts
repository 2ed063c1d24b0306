#!/usr/bin/env node
import { RES_SWEEP } from './commands.ts';
import { main } from './shared/main.ts';

await main(RES_SWEEP);
