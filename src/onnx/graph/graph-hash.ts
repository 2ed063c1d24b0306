import { createHash } from 'node:crypto';
import { compareUtf8, readBytes } from '../../core/index.ts';
import type { Model, TensorRecord } from '../read/model.ts';
import type { Span } from '../read/wire.ts';
import { classifyTensors, type TensorRole } from './tensor-role.ts';

/** What training changes: it decides what a network says, not how much work that is. */
const LEARNED: ReadonlySet<TensorRole> = new Set([
  'weight',
  'bn_mean',
  'bn_variance',
  'quantized_weight',
  'quantization_scale',
  'zero_point',
]);

/** Structure beyond this is no graph of an image classifier, and not read for a hash. */
const MAX_BYTES = 256 << 20;
const CHUNK_BYTES = 1 << 20;

/** A learned tensor as it is hashed: all but its values, and where they lie. */
const shapeOf = ({ name, dims, dataType }: TensorRecord): string => JSON.stringify([name, dims, dataType]);

/**
 * SHA-256 (hex) of a graph and its functions without the values of what was learned, and without metadata: networks of one hash do the
 * same work, as the snapshots of a run and their averages do. Names count, shapes and constants too.
 * @returns undefined for structure over 256 MiB
 */
export function graphSha256({ record, source }: Pick<Model, 'record' | 'source'>): string | undefined {
  const learned = [...classifyTensors(record)]
    .filter(([tensor, { roles }]) => tensor.carrier === 'tensor' && [...roles].every((role) => LEARNED.has(role)))
    .map(([tensor]) => tensor)
    .sort((a, b) => a.message.start - b.message.start);
  const spans: readonly Span[] = [record.graph.message, ...record.functions.map(({ message }) => message)];
  const within = spans.map((span) =>
    learned.filter(({ message }) => message.start >= span.start && message.end <= span.end),
  );
  const skipped = within.flat().reduce((sum, { message }) => sum + message.end - message.start, 0);
  if (spans.reduce((sum, { start, end }) => sum + end - start, -skipped) > MAX_BYTES) return undefined;
  const hash = createHash('sha256').update(JSON.stringify([...record.opsets].sort(([a], [b]) => compareUtf8(a, b))));
  const take = (from: number, to: number): void => {
    for (let at = from; at < to; at += CHUNK_BYTES) hash.update(readBytes(source, at, Math.min(CHUNK_BYTES, to - at)));
  };
  for (const [i, span] of spans.entries()) {
    let at = span.start;
    for (const tensor of within[i] ?? []) {
      take(at, tensor.message.start);
      hash.update(shapeOf(tensor));
      at = tensor.message.end;
    }
    take(at, span.end);
  }
  return hash.digest('hex');
}
