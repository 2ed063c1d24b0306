#!/usr/bin/env node
import { addFixRes } from './fix-res/command.ts';
import { main } from './shared/main.ts';

await main('fix-res', addFixRes);
