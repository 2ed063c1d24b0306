#!/usr/bin/env node
import { start } from './shared/start.ts';

await start(async () => (await import('./commands.ts')).ONNX_TEMPER);
