import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { fromWire, openFile, readBytes, spareMemory, TemperError, unchangedSince } from '../core/index.ts';
import {
  assertModelFile,
  externalDataOf,
  freeZeroDims,
  graphSha256,
  type Model,
  modelFromBytes,
  openModel,
} from '../onnx/index.ts';
import { type ModelFacts, modelFacts, noFacts, type ValueInfo } from '../signature/index.ts';
import { prepareCuda } from './cuda-environment.ts';
import type { Device, Provider } from './device.ts';
import { halvingRun } from './halve-batch.ts';
import { ortError } from './ort-errors.ts';
import type { GraphOptimization, Reply, Request, RunResult, WorkerOptions } from './protocol.ts';
import { checkFeeds, type Tensor, type Tensors } from './tensor.ts';
import { windowCheck } from './window-check.ts';

export interface SessionOptions {
  /** A path (external data is found beside it), or the bytes of a model, which are copied once. */
  readonly model: string | Uint8Array;
  /** For a model given as bytes: its external data files by the location that it names. */
  readonly externalData?: readonly { readonly path: string; readonly data: Uint8Array }[];
  readonly device: Device;
  /** Threads inside one operator (intraOpNumThreads). Default: onnxruntime's, the physical cores. */
  readonly threads?: number;
  /** onnxruntime's graphOptimizationLevel. Default `all`. */
  readonly graphOptimization?: GraphOptimization;
  /** What error messages call the model. Default: its path. */
  readonly label?: string;
  /** Whether a batch that memory does not hold runs in halves ({@link halvingRun}); told of each new size. Default: it fails. */
  readonly onHalved?: (size: number) => void;
}

/** A loaded model in a thread of its own. */
export interface Session {
  readonly label: string;
  /** What it runs on. */
  readonly provider: Provider;
  /** With `auto`: the providers that could not be had, each with the reason. */
  readonly refused: readonly string[];
  readonly ortVersion: string;
  /** Images at a time, where memory ran out with more and batches run in halves. */
  halvedTo(): number | undefined;
  readonly inputs: readonly ValueInfo[];
  /** Those that are tensors: others can be neither fetched nor named. */
  readonly outputs: readonly ValueInfo[];
  /** What the graph and its metadata say of the outputs; read when it is first asked for. Nothing, where only onnxruntime can read the file. */
  facts(): ModelFacts;
  /** Of the graph without what was learned (`graphSha256` of src/onnx), read when it is first asked for; undefined where only onnxruntime can read the file. */
  graphSha256(): string | undefined;
  /**
   * Runs one batch; calls queue in order. An array that fills its whole ArrayBuffer is handed over, not copied: it is
   * empty afterwards. A view of a larger buffer is copied.
   * @param fetches the outputs to compute; default all
   * @throws TemperError MISMATCH_INPUT before the run; EXECUTION_RUN, EXECUTION_MEMORY from it
   */
  run(feeds: Tensors, fetches?: readonly string[]): Promise<RunResult>;
  /** Throws if a file of the model was replaced or written to since the session was opened. @throws TemperError INPUT_CHANGED */
  assertUnchanged(): void;
  /** Waits for the runs that were started, releases the model and ends the thread. May be called twice. */
  close(): Promise<void>;
}

function owned(tensor: Tensor): Tensor {
  const { data } = tensor;
  const whole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength;
  return whole ? tensor : { ...tensor, data: data.slice() };
}

type Opened = Extract<Reply, { kind: 'opened' }>;

interface Waiting {
  resolve(result: RunResult): void;
  reject(error: TemperError): void;
}

/** The worker, the runs that wait for it, and how it ends. */
function inferenceThread(data: WorkerOptions): {
  opened: Promise<Opened>;
  exited: Promise<void>;
  run(feeds: Tensors, fetches: readonly string[] | undefined): Promise<RunResult>;
  close(): void;
} {
  // Without the caller's node options: some, such as --input-type, do not fit a file.
  const worker = new Worker(new URL('./session-worker.js', import.meta.url), { workerData: data, execArgv: [] });
  const waiting = new Map<number, Waiting>();
  let dead: TemperError | undefined;
  let closing = false;
  let runs = 0;
  let opening!: { resolve(reply: Opened): void; reject(error: TemperError): void };
  const opened = new Promise<Opened>((resolve, reject) => {
    opening = { resolve, reject };
  });
  const settle = (id: number): Waiting | undefined => {
    const one = waiting.get(id);
    waiting.delete(id);
    // An idle session that nobody closed must not keep the process alive.
    if (waiting.size === 0 && !closing) worker.unref();
    return one;
  };
  const die = (error: TemperError): void => {
    dead ??= error;
    opening.reject(dead);
    for (const id of [...waiting.keys()]) settle(id)?.reject(dead);
  };
  worker.on('message', (reply: Reply) => {
    if (reply.kind === 'opened') {
      worker.unref();
      opening.resolve(reply);
    } else if (reply.kind === 'ran') {
      for (const buffer of reply.spent) spareMemory(buffer);
      settle(reply.id)?.resolve({ outputs: reply.outputs, ms: reply.ms });
    } else if (reply.id === 0) die(fromWire(reply.error));
    else settle(reply.id)?.reject(fromWire(reply.error));
  });
  worker.on('error', (error) => die(ortError(data.label, error)));
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      const hint = 'Run again with `device` cpu or a smaller `batch`; report it if it stays.';
      die(new TemperError('EXECUTION_RUN', `${data.label}: the inference thread has ended (code ${code})`, { hint }));
      resolve();
    });
  });
  return {
    opened,
    exited,
    run(feeds, fetches) {
      if (dead) return Promise.reject(dead);
      const id = ++runs;
      const tensors = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, owned(tensor)]));
      const buffers = new Set(Object.values(tensors).map((tensor) => tensor.data.buffer as ArrayBuffer));
      worker.postMessage({ kind: 'run', id, feeds: tensors, fetches } satisfies Request, [...buffers]);
      worker.ref();
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
    },
    close() {
      closing = true;
      worker.ref();
      worker.postMessage({ kind: 'close' } satisfies Request);
    },
  };
}

/** The model with dims of 0 made open, where an input has some. @throws TemperError FORMAT_*, INPUT_* */
function withOpenDims({ model, ...options }: SessionOptions): SessionOptions | undefined {
  const file = typeof model === 'string' ? openModel(model) : modelFromBytes(model);
  try {
    const copy = freeZeroDims(file);
    if (!copy) return undefined;
    const externalData = typeof model === 'string' ? externalDataOf(file) : (options.externalData ?? []);
    const label = options.label ?? (typeof model === 'string' ? model : '<memory>');
    return { ...options, label, externalData, model: readBytes(copy.source, 0, copy.source.size) };
  } finally {
    file.close();
  }
}

/** What a look at the walked file says; nothing for a file that cannot be walked but runs. */
function lookAt<T>(model: string | Uint8Array, look: (file: Model) => T): T | undefined {
  try {
    if (typeof model !== 'string') return look(modelFromBytes(model));
    const opened = openModel(model);
    try {
      return look(opened);
    } finally {
      opened.close();
    }
  } catch (error) {
    if (error instanceof TemperError) return undefined;
    throw error;
  }
}

/** The model file and its external data, as far as the file says. */
const filesOf = (path: string): string[] => [
  path,
  ...(lookAt(path, (file) => file.externalLocations.map((location) => file.external(location).path)) ?? []),
];

/**
 * Loads a model into a thread of its own and says what it runs on. The provider asked for is the one used: only `auto`
 * falls back to the CPU, and says so in `refused`. Dims of 0, which some exporters write for any, are open.
 * @throws TemperError EXECUTION_PROVIDER if the provider cannot be had; INPUT_NOT_FOUND, FORMAT_MALFORMED,
 * FORMAT_EXTERNAL_DATA, UNSUPPORTED_GRAPH, UNSUPPORTED_DATA_TYPE, EXECUTION_MEMORY, EXECUTION_RUN
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const session = await openAsIs(options).catch((error: unknown) => {
    if (error instanceof TemperError && error.code === 'EXECUTION_RUN') return error;
    throw error;
  });
  if ('run' in session && !session.inputs.some(({ dims }) => dims.includes(0))) return session;
  const copy = withOpenDims(options);
  if ('run' in session) {
    if (!copy) return session;
    await session.close();
  } else if (!copy) throw session;
  return openAsIs(copy);
}

async function openAsIs(options: SessionOptions): Promise<Session> {
  const { model, externalData, device, threads, graphOptimization = 'all' } = options;
  const label = options.label ?? (typeof model === 'string' ? model : '<memory>');
  prepareCuda(device);
  if (typeof model === 'string') {
    const file = openFile(model);
    try {
      assertModelFile(file);
    } finally {
      file.close();
    }
  }
  const assertUnchanged = unchangedSince(typeof model === 'string' ? filesOf(model) : []);
  const thread = inferenceThread({ label, model, externalData, device, threads, graphOptimization });
  const { provider, refused, ortVersion, inputs, outputs } = await thread.opened.catch(async (error) => {
    await thread.exited;
    throw error;
  });
  const windows = windowCheck(label, model);
  const { onHalved } = options;
  const halving =
    onHalved && typeof inputs[0]?.dims[0] !== 'number'
      ? halvingRun((feeds, fetches) => thread.run(feeds, fetches), onHalved)
      : undefined;
  let closing: Promise<void> | undefined;
  let facts: ModelFacts | undefined;
  let graph: { readonly sha256: string | undefined } | undefined;
  return {
    label,
    provider,
    refused,
    ortVersion,
    halvedTo: () => halving?.size(),
    inputs,
    outputs,
    facts() {
      // A copy of a file is called as the file: what lies beside that is its own.
      const path = typeof model === 'string' ? model : existsSync(label) ? label : undefined;
      facts ??= lookAt(model, (file) => modelFacts(file, path)) ?? noFacts(path);
      return facts;
    },
    graphSha256() {
      graph ??= { sha256: lookAt(model, graphSha256) };
      return graph.sha256;
    },
    assertUnchanged,
    async run(feeds, fetches) {
      if (closing) {
        const hint = 'Open a new session.';
        throw new TemperError('EXECUTION_RUN', `${label}: the session is closed`, { hint });
      }
      checkFeeds(label, inputs, feeds);
      windows.assertFits(feeds);
      return (halving ?? thread).run(feeds, fetches);
    },
    close() {
      if (!closing) {
        windows.close();
        closing = thread.exited;
        thread.close();
      }
      return closing;
    },
  };
}
