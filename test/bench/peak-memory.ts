// Loaded with --import into a measured process: on exit it writes the process's peak resident memory (KiB) and its processor time
// (µs) to descriptor 3.
import { existsSync, readFileSync, writeSync } from 'node:fs';

const STATUS = '/proc/self/status';

/** Linux's maxRSS begins at what the parent had when it started the process; VmHWM is the process's own. */
function peakKib(): number {
  const own = existsSync(STATUS) ? /VmHWM:\s+(\d+)/.exec(readFileSync(STATUS, 'utf8'))?.[1] : undefined;
  return own === undefined ? process.resourceUsage().maxRSS : Number(own);
}

process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  writeSync(3, `${peakKib()} ${user + system}\n`);
});
