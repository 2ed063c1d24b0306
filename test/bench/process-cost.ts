// Loaded with --import into a measured process: on exit it writes its processor time (s) and its peak resident memory (MB) to descriptor 3.
import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { peakMemoryMb } from '../../cli/shared/peak-memory.ts';

process.on('exit', () => {
  if (!isMainThread) return;
  const { user, system } = process.cpuUsage();
  writeSync(3, `${(user + system) / 1e6} ${peakMemoryMb()}\n`);
});
