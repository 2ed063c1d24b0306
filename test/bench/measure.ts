import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export interface Run {
  readonly seconds: number;
  /** Processor time of all its threads, in seconds: what other programs on the machine disturb least. */
  readonly cpuSeconds: number;
  /** Peak resident memory, MB (10^6 bytes). */
  readonly peakMb: number;
}

const hook = new URL('./peak-memory.js', import.meta.url).href;

export const nodeProgram = (name: string, ...args: string[]): Program => ({
  name,
  command: process.execPath,
  args: ['--import', hook, ...args],
});

/** Runs a program as a user does: a whole process, start included. A failure is told, and is no measurement. */
async function runOnce({ name, command, args }: Program): Promise<Run | undefined> {
  const start = performance.now();
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, OMP_WAIT_POLICY: 'passive' },
  });
  const outputs = Promise.all([text(child.stderr as Readable), text(child.stdio[3] as Readable)]);
  const [status] = (await once(child, 'close')) as [number | null];
  const seconds = (performance.now() - start) / 1000;
  const [stderr, peaks] = await outputs;
  if (status !== 0) {
    console.log(`${name} failed (status ${status}): ${stderr.trim().split('\n').slice(-3).join(' | ')}`);
    return undefined;
  }
  // A worker thread reports too; the peak is the process's in each case.
  const reports = peaks
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number));
  const most = (column: number): number => Math.max(...reports.map((report) => report[column] as number));
  return { seconds, cpuSeconds: most(1) / 1e6, peakMb: (most(0) * 1024) / 1e6 };
}

/** Runs the programs in turn, `repetitions` times after one warm-up round, so that a slow moment meets all of them. */
export async function interleave(programs: readonly Program[], repetitions: number): Promise<Map<string, Run[]>> {
  const runs = new Map<string, Run[]>();
  const failed = new Set<Program>();
  for (let round = 0; round <= repetitions; round++) {
    for (const program of programs.filter((one) => !failed.has(one))) {
      const run = await runOnce(program);
      if (run === undefined) failed.add(program);
      else if (round > 0) runs.set(program.name, [...(runs.get(program.name) ?? []), run]);
    }
  }
  for (const { name } of failed) runs.delete(name);
  return runs;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** The median of the ratios of runs of the same round. */
export function pairedRatio(a: readonly Run[], b: readonly Run[], of: 'seconds' | 'cpuSeconds' = 'seconds'): number {
  return median(a.map((run, i) => run[of] / (b[i] as Run)[of]));
}
