import { Worker } from 'node:worker_threads';
import { systemCode, TemperError } from '../../core/index.ts';
import type { DecodedJob, DecodePlan, DecodeTask, KeyedImage } from './decode-job.ts';

/** Threads that decode and transform images. */
export interface DecodePool {
  /**
   * Runs one job on the next free thread; the arrays of the images may be handed over, and be empty afterwards.
   * @throws TemperError EXECUTION_MEMORY, EXECUTION_RUN (a thread has ended), INTERRUPTED (after close)
   */
  run(images: readonly KeyedImage[]): Promise<DecodedJob>;
  /**
   * Takes the arrays of a job back, of which nothing is needed any more: later jobs are decoded into their memory. New pages cost some machines
   * as much as decoding.
   */
  recycle(decoded: DecodedJob): void;
  /** Ends the threads; jobs in flight are dropped. */
  close(): Promise<void>;
}

/** Kept for each thread. */
const MAX_SPARES = 2;

interface Job {
  readonly images: readonly KeyedImage[];
  resolve(decoded: DecodedJob): void;
  reject(error: Error): void;
}

/** Arrays that own their buffer can be handed over instead of copied. */
function transferable(images: readonly KeyedImage[]): ArrayBuffer[] {
  return images.flatMap(({ image }) => {
    const bytes = image.kind === 'encoded' ? image.bytes : image.data;
    const { buffer } = bytes;
    return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength ? [buffer] : [];
  });
}

/** What V8 says when a thread asks for more memory than there is, or than an array can have. */
const OUT_OF_MEMORY =
  /ERR_WORKER_OUT_OF_MEMORY|Array buffer allocation failed|Invalid typed array length|Memory\.grow\(\)/;

/** Any other error is a bug, and stays what it is. */
function threadError(error: unknown): Error {
  const text = error instanceof Error ? `${systemCode(error) ?? ''} ${error.message}` : String(error);
  if (!OUT_OF_MEMORY.test(text)) return error instanceof Error ? error : new Error(text);
  return new TemperError('EXECUTION_MEMORY', `a decoding thread has run out of memory (${text.trim()})`, {
    hint: 'Lower `batch`, `workers` or `size`.',
    cause: error,
  });
}

/** Starts `count` threads for one plan. */
export function decodePool(plan: DecodePlan, count: number): DecodePool {
  const waiting: Job[] = [];
  const spares: ArrayBuffer[][] = [];
  const idle: Worker[] = [];
  const running = new Map<Worker, Job>();
  /** Why no job can run any more. */
  let ended: Error | undefined;

  const next = (worker: Worker): void => {
    const job = waiting.shift();
    if (!job) {
      idle.push(worker);
      return;
    }
    running.set(worker, job);
    const task: DecodeTask = { images: job.images, spare: spares.pop() };
    worker.postMessage(task, [...new Set(transferable(job.images)), ...(task.spare ?? [])]);
  };
  const end = (error: Error): void => {
    ended ??= error;
    for (const job of [...running.values(), ...waiting.splice(0)]) job.reject(ended);
    running.clear();
  };
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(new URL('./decode-worker.js', import.meta.url), { workerData: plan });
    worker.on('message', (decoded: DecodedJob) => {
      running.get(worker)?.resolve(decoded);
      running.delete(worker);
      next(worker);
    });
    worker.on('error', (error) => end(threadError(error)));
    worker.on('exit', (code) => {
      const hint = 'Run again with fewer `workers`; report it if it stays.';
      end(new TemperError('EXECUTION_RUN', `a decoding thread has ended (code ${code})`, { hint }));
    });
    return worker;
  });
  idle.push(...workers);
  return {
    run(images) {
      if (ended) return Promise.reject(ended);
      return new Promise((resolve, reject) => {
        waiting.push({ images, resolve, reject });
        const worker = idle.shift();
        if (worker) next(worker);
      });
    },
    recycle({ inputs }) {
      if (spares.length < MAX_SPARES * count) spares.push(inputs.map(({ buffer }) => buffer as ArrayBuffer));
    },
    async close() {
      end(new TemperError('INTERRUPTED', 'decoding was stopped'));
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
