import { TemperError } from '../core/index.ts';
import type { ValueInfo } from '../signature/index.ts';
import { runInPieces } from './fixed-batch.ts';
import type { RunResult, Session } from './session.ts';
import type { Tensor, Tensors } from './tensor.ts';

/**
 * Keeps `count` (at least 1) items of an async generator started while the consumer works, in order. Errors come out at
 * their place; leaving the loop early ends the source. Memory: `count` items.
 */
export async function* readAhead<T>(source: AsyncIterable<T>, count: number): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const started: Promise<IteratorResult<T>>[] = [];
  const start = (): void => {
    const next = iterator.next();
    // It is awaited below; until then a failure must not count as unhandled.
    next.catch(() => undefined);
    started.push(next);
  };
  try {
    for (let i = 0; i < count; i++) start();
    for (;;) {
      const result = await (started.shift() as Promise<IteratorResult<T>>);
      if (result.done) return;
      start();
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** A batch of images ready for the network, and whatever the caller wants back with the results. */
export interface Batch<M> {
  /** The same images once per transform: models may want different sizes. */
  readonly images: readonly Tensor[];
  readonly meta: M;
}

export interface BatchResult<M> {
  readonly meta: M;
  /** Images in the batch. */
  readonly rows: number;
  /** Per session, in the order given. */
  readonly outputs: readonly Tensors[];
  /** Per session: milliseconds inside onnxruntime. */
  readonly ms: readonly number[];
}

/** A session, the input that takes the images, and the outputs to compute. */
export interface Stage {
  readonly session: Session;
  readonly input: ValueInfo;
  readonly fetches: readonly string[];
  /** Which of a batch's images it takes. */
  readonly images: number;
}

/** Batches that wait in the inference thread behind the one that runs: the next starts without a word from outside. */
const QUEUED = 1;

async function* results<M>(stages: readonly Stage[], batches: AsyncIterable<Batch<M>>): AsyncGenerator<BatchResult<M>> {
  const started: { meta: M; rows: number; runs: Promise<RunResult[]> }[] = [];
  const finish = async (): Promise<BatchResult<M>> => {
    const { meta, rows, runs } = started.shift() as (typeof started)[number];
    const done = await runs;
    return { meta, rows, outputs: done.map(({ outputs }) => outputs), ms: done.map(({ ms }) => ms) };
  };
  let last: { session: Session; run: Promise<RunResult> } | undefined;
  for await (const { images, meta } of batches) {
    const [rows = 0] = images[0]?.dims ?? [];
    const runs: Promise<RunResult>[] = [];
    for (const [i, { session, input, fetches, images: index }] of stages.entries()) {
      // One model at a time: side by side they would share the cores, and their times would mean nothing. The batches of
      // one model queue in its thread.
      if (last && last.session !== session) await Promise.allSettled([last.run]);
      const tensor = images[index] as Tensor;
      // The last model that takes a tensor takes it over.
      const final = stages.findLastIndex((stage) => stage.images === index) === i;
      const run = runInPieces(session, input, final ? tensor : { ...tensor, data: tensor.data.slice() }, fetches);
      runs.push(run);
      last = { session, run };
    }
    const all = Promise.all(runs);
    // It is awaited at its place; until then a failure must not count as unhandled.
    all.catch(() => undefined);
    started.push({ meta, rows, runs: all });
    if (started.length > QUEUED) yield finish();
  }
  while (started.length > 0) yield finish();
}

/**
 * Runs every model on every batch, in order. Up to `ahead` batches are prepared while one runs, one more waits in the
 * inference thread, and one result waits while the caller works on the last: decoding, inference and scoring overlap. The
 * images of a batch are handed over to the thread of the last model that takes them. A graph fixed to another batch gets
 * it in pieces, the last filled up.
 * Memory: `ahead` + 3 batches.
 * @throws TemperError what the batches or `Session.run` throw
 */
export function runBatches<M>(
  stages: readonly Stage[],
  batches: AsyncIterable<Batch<M>>,
  { ahead = 2 }: { readonly ahead?: number } = {},
): AsyncGenerator<BatchResult<M>, void, undefined> {
  if (stages.length === 0) throw new TemperError('USAGE', 'no model to run', { hint: 'Name at least one model.' });
  return readAhead(results(stages, readAhead(batches, ahead)), 1);
}

export interface Timing {
  readonly images: number;
  /** Images per second inside onnxruntime. */
  readonly imagesPerSecond: number;
  /** Median and 95th percentile (nearest rank) of the time of a full batch, in milliseconds. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Images in a full batch. */
  readonly batch: number;
}

/**
 * Summarises batch times. The first batch (allocation, kernel selection) is left out when there are others; short
 * batches count for throughput, not for latency.
 * @param rows images of each batch @param ms its time
 */
export function summarizeTiming(rows: readonly number[], ms: readonly number[]): Timing {
  const first = rows.length > 1 ? 1 : 0;
  const batch = rows.reduce((most, count) => Math.max(most, count), 0);
  const full = ms.filter((_, i) => i >= first && rows[i] === batch);
  const times = (full.length > 0 ? full : ms.slice(first)).toSorted((a, b) => a - b);
  const rank = (q: number): number => times[Math.max(0, Math.ceil(q * times.length) - 1)] ?? 0;
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const seconds = sum(ms.slice(first)) / 1000;
  return {
    images: sum(rows),
    imagesPerSecond: seconds > 0 ? sum(rows.slice(first)) / seconds : 0,
    p50Ms: rank(0.5),
    p95Ms: rank(0.95),
    batch,
  };
}
