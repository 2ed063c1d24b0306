import { readBytes } from '../../src/core/index.ts';
import { type Edit, type Model, planRewrite, type Segment } from '../../src/onnx/index.ts';

/** The bytes that segments stand for. */
function segmentBytes(
  model: Model,
  segments: readonly Segment[],
  fill: (slot: number, length: number) => Uint8Array = (_, length) => new Uint8Array(length),
): Buffer {
  return Buffer.concat(
    segments.map((segment) => {
      if ('copy' in segment) return readBytes(model.source, segment.copy.start, segment.copy.end - segment.copy.start);
      return 'bytes' in segment ? segment.bytes : fill(segment.slot, segment.length);
    }),
  );
}

/** A model's file after edits. */
export function applyEdits(
  model: Model,
  edits: readonly Edit[],
  fill?: (slot: number, length: number) => Uint8Array,
): Buffer {
  return segmentBytes(model, planRewrite(model, edits), fill);
}
