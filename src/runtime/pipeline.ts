import { TemperError } from '../core/index.ts';
import type { ValueInfo } from '../signature/index.ts';
import { runInPieces } from './fixed-batch.ts';
import type { RunResult } from './protocol.ts';
import type { Session } from './session.ts';
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

/**
 * The order in which n models take a batch: turned by one from batch to batch, and backwards in every second turn. The first of a batch
 * meets an idle thread and the last a busy one, so that a fixed order makes one and the same model look slow.
 */
export function stageOrder(n: number, batch: number): number[] {
  const turned = Array.from({ length: n }, (_, i) => (i + batch) % n);
  return Math.floor(batch / n) % 2 === 0 ? turned : turned.reverse();
}

async function* results<M>(stages: readonly Stage[], batches: AsyncIterable<Batch<M>>): AsyncGenerator<BatchResult<M>> {
  const started: { meta: M; rows: number; runs: Promise<RunResult[]> }[] = [];
  const finish = async (): Promise<BatchResult<M>> => {
    const { meta, rows, runs } = started.shift() as (typeof started)[number];
    const done = await runs;
    return { meta, rows, outputs: done.map(({ outputs }) => outputs), ms: done.map(({ ms }) => ms) };
  };
  const several = new Set(stages.map(({ session }) => session)).size > 1;
  let last: Promise<RunResult> | undefined;
  let batch = 0;
  for await (const { images, meta } of batches) {
    const [rows = 0] = images[0]?.dims ?? [];
    const runs = new Array<Promise<RunResult>>(stages.length);
    const order = stageOrder(stages.length, batch++);
    for (const [turn, i] of order.entries()) {
      const { session, input, fetches, images: index } = stages[i] as Stage;
      // One model at a time: side by side they would share the cores, and their times would mean nothing. The batches of
      // a single model queue in its thread.
      if (last && several) await Promise.allSettled([last]);
      const tensor = images[index] as Tensor;
      // The last model that takes a tensor takes it over.
      const final = !order.slice(turn + 1).some((later) => stages[later]?.images === index);
      const run = runInPieces(session, input, final ? tensor : { ...tensor, data: tensor.data.slice() }, fetches);
      runs[i] = run;
      last = run;
    }
    const all = Promise.all(runs);
    // It is awaited at its place; until then a failure must not count as unhandled.
    all.catch(() => undefined);
    started.push({ meta, rows, runs: all });
    if (started.length > QUEUED) yield finish();
  }
  while (started.length > 0) yield finish();
  // What is said of a model (its hash, its graph) was read beside its session, and is said of what ran.
  for (const { session } of stages) session.assertUnchanged();
}

/**
 * Runs every model on every batch, batches in order, models in turn ({@link stageOrder}). Up to `ahead` batches are prepared while one runs, one more waits in the
 * inference thread, and one result waits while the caller works on the last: decoding, inference and scoring overlap. The
 * images of a batch are handed over to the thread of the last model that takes them. A graph fixed to another batch gets
 * it in pieces, the last filled up.
 * Memory: `ahead` + 3 batches.
 * @throws TemperError what the batches or `Session.run` throw; INPUT_CHANGED behind the last batch for a model that was written to meanwhile
 */
export function runBatches<M>(
  stages: readonly Stage[],
  batches: AsyncIterable<Batch<M>>,
  { ahead = 2 }: { readonly ahead?: number } = {},
): AsyncGenerator<BatchResult<M>, void, undefined> {
  if (stages.length === 0) throw new TemperError('USAGE', 'no model to run', { hint: 'Name at least one model.' });
  return readAhead(results(stages, readAhead(batches, ahead)), 1);
}
