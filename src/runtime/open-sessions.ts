import { availableParallelism } from 'node:os';
import { assertCount, MOST, TemperError } from '../core/index.ts';
import { assertInferenceFile } from '../onnx/index.ts';
import { type Device, hasNvidiaDevice, parseDevice } from './device.ts';
import type { GraphOptimization } from './protocol.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';

/** More decoding threads than this read no faster from one disk; each holds a decoder. */
const MAX_DEFAULT_WORKERS = 8;
/** Images of a batch, where neither the user nor the model says. */
export const DEFAULT_BATCH = 64;

/** How models are run, in every job. */
export interface RuntimeOptions {
  /** @default 'auto': CUDA where it can be had, else CPU */
  readonly device?: Device | undefined;
  /** The provider's threads. @default onnxruntime's: the physical cores */
  readonly threads?: number | undefined;
  /** Decoding threads. @default the cores, at most 8 */
  readonly workers?: number | undefined;
  /** Images of a batch. @default the model's own where it is fixed, else 64 */
  readonly batch?: number | undefined;
  /** Whether batches that memory does not hold run in halves: `batch` auto. @default false: the job fails */
  readonly halveBatch?: boolean | undefined;
  /** The image input, where a model has several. */
  readonly input?: string | undefined;
  /** The class output, where a model has several. */
  readonly output?: string | undefined;
}

export interface SessionChoice extends Pick<RuntimeOptions, 'device' | 'threads' | 'halveBatch'> {
  /** onnxruntime's graph optimization level. @default 'all' */
  readonly graphOptimization?: GraphOptimization | undefined;
}

/** Counts that no machine has. @throws TemperError USAGE */
export function checkRuntime({ threads, workers, batch }: RuntimeOptions): void {
  assertCount('threads', threads, MOST.threads);
  assertCount('workers', workers, MOST.workers);
  assertCount('batch', batch, MOST.batch);
}

/**
 * For jobs whose results, or the contracts between whose parts, hang on the batch.
 * @param why what hangs on it, as a clause
 * @throws TemperError USAGE
 */
export function assertFixedBatch({ halveBatch }: Pick<RuntimeOptions, 'halveBatch'>, why: string): void {
  if (!halveBatch) return;
  throw new TemperError('USAGE', `\`batch\` auto: ${why}`, { hint: 'Give `batch` as a number that fits into memory.' });
}

/** How a session of these options meets a batch that memory does not hold. */
export function halvingOptions(
  { halveBatch }: Pick<RuntimeOptions, 'halveBatch'>,
  label: string,
  note: (text: string) => void,
): Pick<SessionOptions, 'onHalved'> {
  if (!halveBatch) return {};
  return { onHalved: (size) => note(`${label}: out of memory, going on with ${size} images at a time`) };
}

/** Decoding threads: as asked for, or the cores, at most 8. */
export function workersOf({ workers }: Pick<RuntimeOptions, 'workers'>): number {
  return workers ?? Math.min(MAX_DEFAULT_WORKERS, availableParallelism());
}

/** The batch size: as asked for, or the largest that a model is fixed to; models fixed to less get it in pieces. */
export function batchOf({ batch }: Pick<RuntimeOptions, 'batch'>, fixed: readonly (number | undefined)[]): number {
  return batch ?? Math.max(...fixed.map((size) => size ?? DEFAULT_BATCH));
}

/** A choice as the options of a session. @throws TemperError USAGE for a device that is none */
export function sessionOptions({ device = 'auto', threads, graphOptimization }: SessionChoice) {
  return {
    device: parseDevice(device),
    ...(threads === undefined ? {} : { threads }),
    ...(graphOptimization === undefined ? {} : { graphOptimization }),
  } as const;
}

/** Says what `auto` took: where CUDA could be meant, also why it was not taken. */
export function sayProvider(
  { provider, refused }: Pick<Session, 'provider' | 'refused'>,
  device: Device,
  note: (text: string) => void,
): void {
  if (!device.startsWith('auto') || (provider === 'cpu' && !hasNvidiaDevice())) return;
  note(`running on ${provider}${refused.length > 0 ? ` (${refused[0]})` : ''}`);
}

/**
 * Opens a session per model, all or none, and says what `auto` took. Models that compute as in training are refused: what
 * they give depends on the batch.
 * @throws TemperError USAGE, EXECUTION_PROVIDER, FORMAT_*, INPUT_*, UNSUPPORTED_GRAPH
 */
export async function openSessions(
  models: readonly string[],
  choice: SessionChoice,
  note: (text: string) => void,
): Promise<Session[]> {
  const options = sessionOptions(choice);
  const opened = await Promise.allSettled(
    models.map((model) => openSession({ model, ...options, ...halvingOptions(choice, model, note) })),
  );
  const sessions = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  try {
    const failed = opened.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    for (const model of models) assertInferenceFile(model);
  } catch (error) {
    await Promise.all(sessions.map((session) => session.close()));
    throw error;
  }
  if (sessions[0]) sayProvider(sessions[0], options.device, note);
  return sessions;
}
