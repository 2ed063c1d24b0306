import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { readError, TemperError } from '../core/index.ts';

/** An open file to hash: descriptors are valid in every thread of the process. */
export interface HashJob {
  readonly path: string;
  readonly fd: number;
  readonly size: number;
}

/**
 * Files are hashed stripe by stripe, all of them side by side: at about the pace of the kernel, so that both find a
 * stripe in the page cache when the files are larger than memory.
 */
const STRIPE_BYTES = 1 << 20;
/** Below this, hashing here is done before a worker thread would have started. */
const INLINE_BYTES = 32 << 20;
/** SHA-256 keeps up with two or three threads of reading; more would take cores from the kernel. */
const MAX_WORKERS = 4;

const COMPLETE_HINT = 'Wait until the snapshots are complete, then run again.';

function readSome({ fd, path }: HashJob, into: Buffer, length: number, position: number): number {
  let read: number;
  try {
    read = readSync(fd, into, 0, length, position);
  } catch (error) {
    throw readError(path, error);
  }
  if (read === 0) {
    throw new TemperError('INPUT_CHANGED', `${path}: the file became shorter while it was being read`, {
      hint: COMPLETE_HINT,
      details: { path },
    });
  }
  return read;
}

/** SHA-256 (hex) of each file. @throws TemperError INPUT_CHANGED if one became shorter; INPUT_UNREADABLE */
export function hashSync(jobs: readonly HashJob[]): string[] {
  const buffer = Buffer.allocUnsafe(STRIPE_BYTES);
  const hashes = jobs.map(() => createHash('sha256'));
  const largest = Math.max(0, ...jobs.map(({ size }) => size));
  for (let offset = 0; offset < largest; offset += STRIPE_BYTES) {
    jobs.forEach((job, i) => {
      const end = Math.min(offset + STRIPE_BYTES, job.size);
      for (let left = end - offset; left > 0; ) {
        const read = readSome(job, buffer, left, end - left);
        hashes[i]?.update(buffer.subarray(0, read));
        left -= read;
      }
    });
  }
  return hashes.map((hash) => hash.digest('hex'));
}

export interface Hashing {
  /** SHA-256 (hex) of each file, in the order given. Whoever fails before it need not wait for it. */
  readonly result: Promise<string[]>;
  cancel(): Promise<void>;
}

/**
 * Hashes files in worker threads, beside the sum.
 * @throws TemperError INPUT_CHANGED (through `result`) if a file became shorter
 */
export function hashFiles(jobs: readonly HashJob[]): Hashing {
  const total = jobs.reduce((sum, { size }) => sum + size, 0);
  if (total <= INLINE_BYTES) {
    const result = Promise.resolve().then(() => hashSync(jobs));
    result.catch(() => {});
    return { result, cancel: async () => {} };
  }
  const count = Math.min(jobs.length, MAX_WORKERS, Math.max(1, availableParallelism() - 1));
  const workers = Array.from({ length: count }, (_, w) => {
    const share = jobs.filter((_, i) => i % count === w);
    return new Worker(new URL('./hash-worker.js', import.meta.url), { workerData: share });
  });
  const digests = workers.map(
    (worker) =>
      new Promise<string[]>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', (error) => {
          reject(
            new TemperError('INPUT_CHANGED', error.message, {
              hint: COMPLETE_HINT,
              cause: error,
            }),
          );
        });
        worker.once('exit', () => reject(new TemperError('INTERRUPTED', 'hashing was stopped')));
      }),
  );
  const result = Promise.all(digests).then((shares) =>
    jobs.map((_, i) => shares[i % count]?.[Math.floor(i / count)] as string),
  );
  result.catch(() => {});
  return {
    result,
    async cancel() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
