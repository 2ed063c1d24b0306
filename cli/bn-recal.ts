#!/usr/bin/env node
import { addBnRecalCommands } from './bn-recal/command.ts';
import { main } from './shared/main.ts';

await main('bn-recal', addBnRecalCommands);
