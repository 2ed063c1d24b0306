import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built program. */
export const AVG_CKPT = fileURLToPath(new URL('../../cli/avg-ckpt.js', import.meta.url));

export interface CliResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function avgCkptIn(cwd: string, ...args: readonly string[]): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [AVG_CKPT, ...args], { cwd, encoding: 'utf8' });
  return { status, stdout, stderr };
}

export const avgCkpt = (...args: readonly string[]): CliResult => avgCkptIn(process.cwd(), ...args);
