import { existsSync, readFileSync } from 'node:fs';

const STATUS = '/proc/self/status';

/** The most resident memory that this process ever held, in 10^6 bytes. Linux's maxRSS begins at what the parent had; VmHWM is the process's own. */
export function peakMemoryMb(): number {
  const own = existsSync(STATUS) ? /VmHWM:\s+(\d+)/.exec(readFileSync(STATUS, 'utf8'))?.[1] : undefined;
  return (1024 * (own === undefined ? process.resourceUsage().maxRSS : Number(own))) / 1e6;
}
