#!/usr/bin/env node
import { addResSweep } from './res-sweep/command.ts';
import { main } from './shared/main.ts';

await main('res-sweep', addResSweep);
