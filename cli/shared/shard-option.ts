import type { Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import type { Shard } from '../../src/data/index.ts';
import { grouped } from './option-values.ts';

/** Which part of the work a worker of an array job does. */
export const SHARD = grouped('Data:', {
  shard: {
    type: 'string',
    describe: 'Do the part of worker i of n: i/n, env or env/n (Slurm array, Kubernetes indexed job)',
  },
} as const satisfies Record<string, Options>);

export type Environment = Readonly<Record<string, string | undefined>>;

function usage(text: string, what: string, hint: string): TemperError {
  return new TemperError('USAGE', `--shard ${text}: ${what}`, { hint, details: { shard: text } });
}

function integer(text: string, value: string | undefined, name: string): number {
  if (value !== undefined && /^\d+$/.test(value) && Number.isSafeInteger(Number(value))) return Number(value);
  throw usage(
    text,
    `${name} is ${value === undefined ? 'not set' : JSON.stringify(value)}, expected a number`,
    'Set it, or pass i/n.',
  );
}

function shard(text: string, index: number, count: number): Shard {
  if (count >= 1 && Number.isInteger(index) && index >= 0 && index < count) return { index, count };
  throw usage(text, `worker ${index} of ${count}`, 'Workers count from 0: the last of n is (n-1)/n.');
}

/** A Slurm array task: `--array=MIN-MAX:STEP`. */
function slurmShard(text: string, env: Environment): Shard {
  const read = (name: string, fallback?: string): number =>
    integer(text, env[`SLURM_ARRAY_TASK_${name}`] ?? fallback, `SLURM_ARRAY_TASK_${name}`);
  const [id, min, step, count] = [read('ID'), read('MIN'), read('STEP', '1'), read('COUNT')];
  const max = read('MAX', String(min + (count - 1) * step));
  if (step < 1 || max !== min + (count - 1) * step || (id - min) % step !== 0) {
    const what = `task ${id} of an array that is no range (${count} tasks from ${min} to ${max}, step ${step})`;
    throw usage(text, what, 'Submit an array of the tasks 0 to N, or pass i/n with numbers of your own.');
  }
  return shard(text, (id - min) / step, count);
}

/** What a cluster says; `count` as given by the user, where it was. */
function environmentShard(text: string, env: Environment, count: number | undefined): Shard {
  const slurm = env.SLURM_ARRAY_TASK_ID !== undefined;
  const kubernetes = env.JOB_COMPLETION_INDEX !== undefined;
  if (slurm && kubernetes) throw usage(text, 'both a Slurm array task and a Kubernetes indexed job', 'Pass i/n.');
  if (slurm) {
    const found = slurmShard(text, env);
    if (count === undefined || count === found.count) return found;
    const hint = 'To run single tasks again, pass i/n with the numbers of the first run.';
    throw usage(text, `the Slurm array has ${found.count} tasks, not ${count}`, hint);
  }
  if (!kubernetes) {
    throw usage(
      text,
      'neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set',
      'Run it as an array job, or pass i/n.',
    );
  }
  if (count === undefined) {
    throw usage(
      text,
      'a Kubernetes job does not know its number of workers',
      "Pass env/n with n = the job's completions.",
    );
  }
  return shard(text, integer(text, env.JOB_COMPLETION_INDEX, 'JOB_COMPLETION_INDEX'), count);
}

/**
 * Parses `--shard`: `i/n` (i from 0), `env` (a Slurm job array: (ID - MIN) / STEP of COUNT) or `env/n` (a Kubernetes
 * indexed job: JOB_COMPLETION_INDEX of n; a Slurm array that must have n tasks).
 * @throws TemperError USAGE
 */
export function parseShard(text: string, env: Environment): Shard {
  const match = /^(?:(env)(?:\/(\d+))?|(\d+)\/(\d+))$/.exec(text);
  if (!match) throw usage(text, 'not a shard', 'Write i/n with i from 0 (0/4), env, or env/n.');
  const [, byEnvironment, n, i, of] = match;
  if (byEnvironment) return environmentShard(text, env, n === undefined ? undefined : integer(text, n, 'n'));
  return shard(text, integer(text, i, 'i'), integer(text, of, 'n'));
}

/** The worker that the options name, if any. @throws TemperError USAGE */
export const shardOf = (
  { shard: text }: { readonly shard?: string | undefined },
  env: Environment,
): Shard | undefined => (text === undefined ? undefined : parseShard(text, env));
