import { type Row, rowOver, type Sink, type StoredTensor, TensorStream } from '../average/index.ts';
import type { Model } from '../onnx/index.ts';
import { type CandidateModel, type PreparedModel, valuesAt } from './prepared-model.ts';

/** What candidates are made of. */
export interface Ingredients {
  /** How many there are. */
  readonly snapshots: number;
  /** The template's tensors that get new values. */
  readonly stored: readonly StoredTensor[];
  readonly prepared: PreparedModel;
  /** What computes rows from these snapshots alone. */
  readonly writer: (rows: readonly Row[], snapshots: readonly number[]) => SlotWriter;
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

/** Writes a stored tensor of every row. */
type SlotWriter = (slot: number, sinks: readonly Sink[]) => Promise<void>;

/** What writes rows that are made from ONNX snapshots. */
export function modelWriter(
  models: readonly Model[],
  stored: readonly StoredTensor[],
  options: { readonly allowNonfinite: boolean; readonly signal: AbortSignal },
): Ingredients['writer'] {
  return (rows, snapshots) => {
    const pick = <T>(values: readonly T[]): T[] => snapshots.map((i) => values[i] as T);
    const stream = new TensorStream({
      ...options,
      models: pick(models),
      rows: rows.map((row) => rowOver(row, pick(row.coefficients), (input) => snapshots.indexOf(input))),
    });
    return (slot, sinks) => {
      const one = stored[slot] as StoredTensor;
      return stream.tensor({ ...one, tensor: { ...one.tensor, sources: pick(one.tensor.sources) } }, sinks);
    };
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
  { prepared, stored, snapshots, writer }: Ingredients,
  rows: readonly Row[],
): Promise<{ candidates: CandidateModel[]; reads: number }> {
  const patched = prepared.places.some((place) => place.in === 'graph');
  const candidates = rows.map(() => ({
    graph: patched ? prepared.graph.slice() : prepared.graph,
    weights: prepared.emptyWeights(),
  }));
  // No snapshot is read that no row uses.
  const used = Array.from({ length: snapshots }, (_, i) => i).filter((i) =>
    rows.some(({ coefficients }) => coefficients[i] !== 0),
  );
  const write = writer(rows, used);
  for (const slot of stored.keys()) {
    await write(
      slot,
      candidates.map((candidate) => sinkInto(valuesAt(prepared, candidate, slot))),
    );
  }
  return { candidates, reads: used.length };
}
