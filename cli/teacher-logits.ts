#!/usr/bin/env node
import { main } from './shared/main.ts';
import { addTeacherLogitsCommands } from './teacher-logits/command.ts';

await main('teacher-logits', addTeacherLogitsCommands);
