#!/usr/bin/env node
import { TEACHER_LOGITS } from './commands.ts';
import { main } from './shared/main.ts';

await main(TEACHER_LOGITS);
