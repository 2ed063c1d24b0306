#!/usr/bin/env node
import { ONNX_TEMPER } from './commands.ts';
import { main } from './shared/main.ts';

await main(ONNX_TEMPER);
