#!/usr/bin/env node
import { BN_RECAL } from './commands.ts';
import { main } from './shared/main.ts';

await main(BN_RECAL);
