import { readBytes } from '../../core/index.ts';
import type { Model } from '../read/model.ts';
import { modelFromBytes } from '../read/open-model.ts';
import type { Message } from '../read/wire.ts';
import { type Edit, planMessage, plannedBytes, planRewrite, type Segment } from './edit.ts';

/**
 * The edited model in memory: for throw-away graphs, and for a look at a change before it is written.
 * Memory: the model file's size (external data is not in it).
 */
export function applyEdits(model: Model, edits: readonly Edit[]): Uint8Array {
  return bytesOf(model, planRewrite(model, edits));
}

/** The edited content of one message, which all edits lie in: a part of a file, to be put elsewhere. */
export function editedMessage(model: Model, message: Message, edits: readonly Edit[]): Uint8Array {
  return bytesOf(model, planMessage(message, edits));
}

function bytesOf(model: Model, segments: readonly Segment[]): Uint8Array {
  const bytes = new Uint8Array(plannedBytes(segments));
  let at = 0;
  for (const segment of segments) {
    if ('slot' in segment) throw new Error('a slot has no bytes yet');
    const length = 'bytes' in segment ? segment.bytes.length : segment.copy.end - segment.copy.start;
    if ('bytes' in segment) bytes.set(segment.bytes, at);
    else model.source.readInto(bytes.subarray(at, at + length), segment.copy.start);
    at += length;
  }
  return bytes;
}

/** The external data files of a model, read whole: what a session needs beside bytes. @throws TemperError FORMAT_EXTERNAL_DATA, INPUT_* */
export function externalDataOf(model: Model): { path: string; data: Uint8Array }[] {
  return model.externalLocations.map((location) => {
    const source = model.external(location);
    return { path: location, data: readBytes(source, 0, source.size) };
  });
}

/** The edited model, walked again: for throw-away graphs that are looked at or edited further. External data stays where it is. */
export function editedModel(model: Model, edits: readonly Edit[]): Model {
  return {
    ...modelFromBytes(applyEdits(model, edits)),
    path: model.path,
    externalLocations: model.externalLocations,
    external: (location) => model.external(location),
  };
}
