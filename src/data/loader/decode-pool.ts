import { Worker } from 'node:worker_threads';
import { TemperError } from '../../core/index.ts';
import type { DecodedJob, DecodePlan, KeyedImage } from './decode-job.ts';

/** Threads that decode and transform images. */
export interface DecodePool {
  /** Runs one job on the next free thread; encoded bytes are handed over. */
  run(images: readonly KeyedImage[]): Promise<DecodedJob>;
  /** Ends the threads; jobs in flight are dropped. */
  close(): Promise<void>;
}

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

/** Starts `count` threads for one plan. */
export function decodePool(plan: DecodePlan, count: number): DecodePool {
  const waiting: Job[] = [];
  const idle: Worker[] = [];
  const running = new Map<Worker, Job>();
  let closed = false;

  const next = (worker: Worker): void => {
    const job = waiting.shift();
    if (!job) {
      idle.push(worker);
      return;
    }
    running.set(worker, job);
    worker.postMessage(job.images, [...new Set(transferable(job.images))]);
  };
  const fail = (error: Error): void => {
    for (const job of [...running.values(), ...waiting.splice(0)]) job.reject(error);
    running.clear();
  };
  const workers = Array.from({ length: count }, () => {
    const worker = new Worker(new URL('./decode-worker.js', import.meta.url), { workerData: plan });
    worker.on('message', (decoded: DecodedJob) => {
      running.get(worker)?.resolve(decoded);
      running.delete(worker);
      next(worker);
    });
    worker.on('error', fail);
    worker.on('exit', (code) => {
      if (!closed)
        fail(
          new TemperError('EXECUTION_RUN', `a decoding thread has ended (code ${code})`, {
            hint: 'Use fewer --workers, or smaller images.',
          }),
        );
    });
    return worker;
  });
  idle.push(...workers);
  return {
    run(images) {
      return new Promise((resolve, reject) => {
        waiting.push({ images, resolve, reject });
        const worker = idle.shift();
        if (worker) next(worker);
      });
    },
    async close() {
      closed = true;
      fail(new TemperError('INTERRUPTED', 'decoding was stopped'));
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
