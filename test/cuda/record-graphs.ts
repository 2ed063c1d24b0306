/**
 * Loaded before a test file (`node --import`): every graph that a session is opened with in this process goes into the
 * folder of ONNX_TEMPER_GRAPHS, by its hash. Sessions start a thread with the model in its workerData, so that the thread's
 * constructor is the one place where all graphs pass.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type * as Threads from 'node:worker_threads';

const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof Threads.Worker };
const folder = process.env.ONNX_TEMPER_GRAPHS;

threads.Worker = class extends threads.Worker {
  constructor(file: string | URL, options?: Threads.WorkerOptions) {
    const model = (options?.workerData as { model?: unknown } | undefined)?.model;
    if (folder !== undefined && model instanceof Uint8Array) {
      const name = createHash('sha256').update(model).digest('hex').slice(0, 16);
      writeFileSync(join(folder, `${name}.onnx`), model);
    }
    super(file, options);
  }
};
syncBuiltinESMExports();
