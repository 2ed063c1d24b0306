import { type Row, rowOver, type StoredTensor, TensorStream } from '../average/index.ts';
import type { Model } from '../onnx/index.ts';
import { type CandidateModel, type PreparedModel, valuesAt } from './prepared-model.ts';

/** What candidates are made of. */
export interface Ingredients {
  /** In plan order. */
  readonly models: readonly Model[];
  readonly stored: readonly StoredTensor[];
  readonly prepared: PreparedModel;
  readonly allowNonfinite: boolean;
  readonly signal: AbortSignal;
}

/** Bytes that a candidate takes. */
export function candidateBytes({ prepared }: Ingredients): number {
  const inGraph = prepared.places.some((place) => place.in === 'graph');
  return prepared.weightsBytes + (inGraph ? prepared.graph.length : 0);
}

/** Fills a stretch of a buffer. */
function sinkInto(bytes: Uint8Array) {
  let size = 0;
  return {
    get size() {
      return size;
    },
    write(part: Uint8Array) {
      bytes.set(part, size);
      size += part.length;
    },
  };
}

/** The ingredients that some row uses, so that no other is read. */
function used({ models, stored }: Ingredients, rows: readonly Row[]) {
  const indexes = [...models.keys()].filter((i) => rows.some(({ coefficients }) => coefficients[i] !== 0));
  const pick = <T>(values: readonly T[]): T[] => indexes.map((i) => values[i] as T);
  return {
    models: pick(models),
    rows: rows.map((row) => rowOver(row, pick(row.coefficients), (input) => indexes.indexOf(input))),
    stored: stored.map((one) => ({ ...one, tensor: { ...one.tensor, sources: pick(one.tensor.sources) } })),
  };
}

/**
 * Computes rows into memory, all in one pass over the snapshots that they use: the same kernel, and so the same bits, as
 * averageFiles writes.
 *
 * Memory: candidateBytes for each row, and the stream's blocks.
 * @returns the candidates, and the number of snapshots that were read
 * @throws TemperError NUMERIC_*, FORMAT_*, INPUT_*, INTERRUPTED
 */
export async function makeCandidates(
  ingredients: Ingredients,
  rows: readonly Row[],
): Promise<{ candidates: CandidateModel[]; reads: number }> {
  const { prepared, allowNonfinite, signal } = ingredients;
  const patched = prepared.places.some((place) => place.in === 'graph');
  const candidates = rows.map(() => ({
    graph: patched ? prepared.graph.slice() : prepared.graph,
    weights: prepared.emptyWeights(),
  }));
  const { models, rows: restricted, stored } = used(ingredients, rows);
  const stream = new TensorStream({ models, rows: restricted, allowNonfinite, signal });
  for (const [i, one] of stored.entries()) {
    await stream.tensor(
      one,
      candidates.map((candidate) => sinkInto(valuesAt(prepared, candidate, i))),
    );
  }
  return { candidates, reads: models.length };
}
