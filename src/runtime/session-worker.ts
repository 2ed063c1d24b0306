/**
 * The inference thread: one native session, one run at a time. `run()` of onnxruntime-node is synchronous inside, so it
 * blocks this thread and no other.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import * as ort from 'onnxruntime-node';
import { TemperError, toWire } from '../core/index.ts';
import type { TensorType, ValueInfo } from '../signature/index.ts';
import { missingCudaLibraries } from './cuda-environment.ts';
import { isCudaInstalled } from './cuda-library.ts';
import { providersFor, wantsTf32 } from './device.ts';
import { ortError } from './ort-errors.ts';
import type { Reply, Request, WorkerOptions } from './protocol.ts';
import { TENSOR_ARRAYS, type Tensor, type TensorData } from './tensor.ts';

/**
 * onnxruntime's threads wait asleep instead of in a loop: between two batches the decoding threads have the cores.
 * A thread that spins takes a core from them for as long as it waits.
 */
const WAIT_ASLEEP = { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } };

const options = workerData as WorkerOptions;
const port = parentPort as MessagePort;

const isTensor = (value: ort.InferenceSession.ValueMetadata): boolean =>
  value.isTensor && Object.hasOwn(TENSOR_ARRAYS, value.type);

/** Labels as strings and maps of probabilities stand beside the scores in some exports: nobody fetches them. */
function tensorOutputs(outputs: readonly ort.InferenceSession.ValueMetadata[]): ValueInfo[] {
  const found = outputs.filter(isTensor);
  return (found.length > 0 ? found : outputs).map((value) => valueInfo('output', value));
}

function valueInfo(kind: 'input' | 'output', value: ort.InferenceSession.ValueMetadata): ValueInfo {
  const where = `${options.label}: ${kind} ${value.name}`;
  if (!value.isTensor) {
    const hint = 'Export the network alone, without post-processing operators such as ZipMap.';
    throw new TemperError('UNSUPPORTED_GRAPH', `${where} is a sequence or a map, expected a tensor`, { hint });
  }
  if (!Object.hasOwn(TENSOR_ARRAYS, value.type)) {
    const hint = 'Export with float32, float16 or uint8 inputs and float outputs.';
    throw new TemperError('UNSUPPORTED_DATA_TYPE', `${where} is ${value.type}`, { hint });
  }
  return { name: value.name, type: value.type as TensorType, dims: value.shape };
}

/** Asking onnxruntime would give a coloured line on stderr, and a message that does not say what is missing. */
function assertCudaInstalled(): void {
  if (isCudaInstalled()) return;
  throw new TemperError('EXECUTION_PROVIDER', `${options.label}: onnxruntime's CUDA libraries are not installed`, {
    hint: 'Install them with `npm run setup:cuda` (Linux x64, CUDA 12, cuDNN 9), or use `device` cpu.',
    details: { missing: 'onnxruntime_providers_cuda' },
  });
}

/** onnxruntime says that its provider cannot be loaded, and not why: the libraries that are missing are named. */
function withMissing(error: TemperError): TemperError {
  if (error.details?.reason !== 'not loaded') return error;
  const missing = missingCudaLibraries();
  if (missing.length === 0) return error;
  return new TemperError(error.code, `${error.message}: ${missing.join(', ')} not found`, {
    hint: `${missing.includes('libcuda.so.1') ? 'Install the NVIDIA driver (libcuda). ' : ''}Put the folders of CUDA's libraries on LD_LIBRARY_PATH, or use \`device\` cpu.`,
    details: { ...error.details, missing },
    cause: error.cause,
  });
}

async function open(): Promise<{ session: ort.InferenceSession; reply: Extract<Reply, { kind: 'opened' }> }> {
  // onnxruntime's own coloured lines repeat what the exceptions say, and which library CUDA lacks is found out here.
  ort.env.logLevel = 'fatal';
  const refused: string[] = [];
  const providers = providersFor(options.device);
  for (const provider of providers) {
    const settings: ort.InferenceSession.SessionOptions = {
      executionProviders: [provider],
      graphOptimizationLevel: options.graphOptimization,
      logSeverityLevel: 4,
      extra: WAIT_ASLEEP,
      ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
      ...(options.externalData === undefined ? {} : { externalData: [...options.externalData] }),
    };
    try {
      if (provider.name === 'cuda') assertCudaInstalled();
      const session = await (typeof options.model === 'string'
        ? ort.InferenceSession.create(options.model, settings)
        : ort.InferenceSession.create(options.model, settings));
      const opened = {
        kind: 'opened',
        provider: provider.name === 'cuda' && wantsTf32(options.device) ? 'cuda+tf32' : provider.name,
        refused,
        ortVersion: ort.env.versions.node ?? ort.env.versions.common,
        inputs: session.inputMetadata.map((value) => valueInfo('input', value)),
        outputs: tensorOutputs(session.outputMetadata),
      } as const;
      return { session, reply: opened };
    } catch (error) {
      const known = withMissing(ortError(options.label, error));
      if (known.code !== 'EXECUTION_PROVIDER' || provider === providers.at(-1)) throw known;
      refused.push(`${provider.name}: ${known.message}`);
    }
  }
  throw new Error(`no provider for ${options.device}`);
}

/** Node 24 gives float16 as Float16Array: the same bits as a Uint16Array everywhere. */
function tensorOf(name: string, value: ort.Tensor): Tensor {
  if (!Object.hasOwn(TENSOR_ARRAYS, value.type)) {
    const hint = 'Leave this output out of the fetches.';
    throw new TemperError('UNSUPPORTED_DATA_TYPE', `${options.label}: output ${name} is ${value.type}`, { hint });
  }
  const type = value.type as TensorType;
  const data = value.data as TensorData;
  const array = TENSOR_ARRAYS[type];
  return {
    type,
    dims: value.dims,
    data: data instanceof array ? data : new array(data.buffer as ArrayBuffer, data.byteOffset, data.length),
  };
}

/** @param tensors the names of all outputs that can be fetched */
async function run(
  session: ort.InferenceSession,
  request: Extract<Request, { kind: 'run' }>,
  tensors: readonly string[],
): Promise<void> {
  try {
    const feeds = Object.fromEntries(
      Object.entries(request.feeds).map(([name, { type, data, dims }]) => [name, new ort.Tensor(type, data, dims)]),
    );
    const start = performance.now();
    const results = await session.run(feeds, request.fetches ?? tensors);
    const ms = performance.now() - start;
    const outputs = Object.fromEntries(
      Object.entries(results).map(([name, value]) => [name, tensorOf(name, value)] as const),
    );
    const buffers = new Set(Object.values(outputs).map(({ data }) => data.buffer as ArrayBuffer));
    const fed = new Set(Object.values(request.feeds).map(({ data }) => data.buffer as ArrayBuffer));
    const spent = [...fed].filter((buffer) => !buffers.has(buffer));
    port.postMessage({ kind: 'ran', id: request.id, outputs, ms, spent } satisfies Reply, [...buffers, ...spent]);
  } catch (error) {
    port.postMessage({ kind: 'failed', id: request.id, error: toWire(ortError(options.label, error)) } satisfies Reply);
  }
}

try {
  const { session, reply } = await open();
  const tensors = reply.outputs.map(({ name }) => name);
  // One after the other: two runs in flight would count each other's time.
  let last: Promise<void> = Promise.resolve();
  port.on('message', (request: Request) => {
    last = last.then(async () => {
      if (request.kind === 'run') return run(session, request, tensors);
      await session.release();
      port.close();
    });
  });
  port.postMessage(reply);
} catch (error) {
  port.postMessage({ kind: 'failed', id: 0, error: toWire(ortError(options.label, error)) } satisfies Reply);
  port.close();
}
