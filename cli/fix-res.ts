#!/usr/bin/env node
import { FIX_RES } from './commands.ts';
import { main } from './shared/main.ts';

await main(FIX_RES);
