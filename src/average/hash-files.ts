import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type OpenedFile, sha256OfOpened, TemperError } from '../core/index.ts';

/** Below this, hashing here is done before a worker thread would have started. */
const INLINE_BYTES = 32 << 20;
/** SHA-256 keeps up with two or three threads of reading; more would take cores from the kernel. */
const MAX_WORKERS = 4;

const COMPLETE_HINT = 'Wait until the snapshots are complete, then run again.';

/** Hashes the files that no other thread has taken; `next` counts those that were. */
export function* hashUntaken(
  jobs: readonly OpenedFile[],
  next: Int32Array,
): Generator<[index: number, digest: string]> {
  for (let i = Atomics.add(next, 0, 1); i < jobs.length; i = Atomics.add(next, 0, 1)) {
    yield [i, sha256OfOpened(jobs[i] as OpenedFile)];
  }
}

export interface Hashing {
  /** Files that are hashed. */
  readonly count: number;
  /**
   * SHA-256 (hex) of each file, in the order given. This thread hashes what the workers have not begun: call it when
   * its other work is done.
   * @throws TemperError INPUT_CHANGED if a file became shorter; INPUT_UNREADABLE
   */
  finish(): Promise<string[]>;
  cancel(): Promise<void>;
}

/** Hashes the files that another hashing, begun earlier, leaves over: `jobs` begin with those of it. */
export function hashRest(jobs: readonly OpenedFile[], begun: Hashing | undefined): Hashing {
  if (!begun) return hashFiles(jobs);
  if (begun.count === jobs.length) return begun;
  const rest = hashFiles(jobs.slice(begun.count));
  return {
    count: jobs.length,
    finish: async () => [...(await begun.finish()), ...(await rest.finish())],
    async cancel() {
      await Promise.all([begun.cancel(), rest.cancel()]);
    },
  };
}

/** What a thread is sent. */
export interface HashTask {
  readonly jobs: readonly OpenedFile[];
  /** How many of them were taken, by all threads together. */
  readonly next: Int32Array;
}

/** Bytes of a file; 0 where that cannot be known: whoever opens it says why. */
export function sizeAt(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/**
 * Threads that wait for files, as many as files of these sizes are worth: a thread takes some .05 s to start.
 * @param started threads that wait already: then these
 */
export function hashThreads(sizes: readonly number[], started: readonly Worker[] = []): readonly Worker[] {
  if (started.length > 0) return started;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const length =
    total <= INLINE_BYTES ? 0 : Math.min(sizes.length, MAX_WORKERS, Math.max(1, availableParallelism() - 1));
  return Array.from({ length }, () => new Worker(new URL('./hash-worker.js', import.meta.url)));
}

export async function endThreads(threads: readonly Worker[]): Promise<void> {
  await Promise.all(threads.map((thread) => thread.terminate()));
}

/**
 * Starts to hash files in worker threads, beside the sum. Each thread takes the next file that is left.
 * @param started threads that wait already
 */
export function hashFiles(files: readonly OpenedFile[], started: readonly Worker[] = []): Hashing {
  const jobs = files.map(({ path, fd, size }) => ({ path, fd, size }));
  const next = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const digests: string[] = [];
  const workers = hashThreads(
    jobs.map(({ size }) => size),
    started,
  );
  for (const worker of workers) worker.postMessage({ jobs, next } satisfies HashTask);
  const shares = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.once('message', (share: [number, string][]) => {
          for (const [i, digest] of share) digests[i] = digest;
          resolve();
        });
        worker.once('error', (error) =>
          reject(new TemperError('INPUT_CHANGED', error.message, { hint: COMPLETE_HINT, cause: error })),
        );
        worker.once('exit', () => reject(new TemperError('INTERRUPTED', 'hashing was stopped')));
      }),
  );
  // Whoever fails before finish() does not wait for the workers.
  for (const share of shares) share.catch(() => {});
  return {
    count: jobs.length,
    async finish() {
      for (const [i, digest] of hashUntaken(jobs, next)) {
        digests[i] = digest;
        await setImmediate();
      }
      await Promise.all(shares);
      return digests;
    },
    cancel: () => endThreads(workers),
  };
}
