import { computeMetrics, concatPredictions, type Metrics, scoreBatch } from '../../evaluate/index.ts';
import { openSession } from '../../runtime/index.ts';
import type { Cut } from '../cut/cut.ts';
import { scoringGraph } from '../gradient/training-graph.ts';
import type { Features } from './collect-features.ts';
import { parameterTensors, type TrainOptions, type TrainState } from './train.ts';

const BATCH = 256;

/** Scores cached images with the tail as it stands. */
export interface Scorer {
  /** [N, classes], in the order of the cache. */
  logits(state: TrainState): Promise<Float32Array>;
  /** @throws TemperError MISMATCH_VALUE for labels that do not fit */
  metrics(state: TrainState): Promise<Metrics>;
  close(): Promise<void>;
}

/** Opens a session that computes the scores of cached images with stored statistics, as the written model would. */
export async function openScorer(
  { tail }: Cut,
  { cache, labels, keys }: Features,
  { device, threads }: Pick<TrainOptions, 'device' | 'threads'>,
): Promise<Scorer> {
  const graph = scoringGraph(tail, cache.dims);
  const session = await openSession({
    model: graph.model,
    device,
    label: 'the tail',
    ...(threads === undefined ? {} : { threads }),
  });
  const fed = graph.parameters.filter((name) => session.inputs.some((input) => input.name === name));
  async function* batches(state: TrainState): AsyncGenerator<{ from: number; rows: number; data: Float32Array }> {
    for (let from = 0; from < cache.rows; from += BATCH) {
      const rows = Math.min(BATCH, cache.rows - from);
      const features = cache.gather(Array.from({ length: rows }, (_, i) => from + i));
      const { outputs } = await session.run({ ...features, ...parameterTensors(tail, state, fed) });
      yield { from, rows, data: outputs[graph.logits]?.data as Float32Array };
    }
  }
  return {
    async logits(state) {
      const all = new Float32Array(cache.rows * tail.classes);
      for await (const { from, data } of batches(state)) all.set(data, from * tail.classes);
      return all;
    },
    async metrics(state) {
      const parts = [];
      for await (const { from, rows, data } of batches(state)) {
        const output = { rows, classes: tail.classes, data, smallest: 2 ** -149, largestBelowOne: 1 - 2 ** -24 };
        const own = (labels ?? []).slice(from, from + rows);
        parts.push(scoreBatch(output, keys.slice(from, from + rows), own, { kind: 'logits' }));
      }
      return computeMetrics(concatPredictions(parts));
    },
    close: () => session.close(),
  };
}
