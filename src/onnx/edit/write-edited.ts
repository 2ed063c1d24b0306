import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openAtomic, outputExists, TemperError } from '../../core/index.ts';
import type { MetadataEntry, Model, TensorRecord } from '../read/model.ts';
import { openPayload } from '../read/payload.ts';
import { storedByteLength } from '../read/tensor-size.ts';
import { dataFileName, layOutExternal } from './data-layout.ts';
import { type Edit, planRewrite, type Segment } from './edit.ts';
import { delimitedMetadata, setExternalData } from './edits.ts';

export interface WrittenModel {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly data: { readonly path: string; readonly bytes: number; readonly sha256: string } | undefined;
}

const BLOCK_BYTES = 256 << 10;
const PADDING = new Uint8Array(4096);

/** Refuses an output that is there already, or that is a file of the input. @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT */
export function assertOutput(model: Model, path: string, force: boolean): void {
  if (!existsSync(path)) return;
  const inputs = [model.path, ...model.externalLocations.map((location) => model.external(location).path)];
  if (inputs.some((input) => realpathSync(input) === realpathSync(path))) {
    throw new TemperError('OUTPUT_IS_INPUT', `${path}: is the input`, {
      hint: 'Choose another output: models are never overwritten in place.',
      details: { path },
    });
  }
  if (!force) throw outputExists(path);
}

function copySegments(model: Model, segments: readonly Segment[], write: (bytes: Uint8Array) => void): void {
  const block = new Uint8Array(BLOCK_BYTES);
  for (const segment of segments) {
    if ('slot' in segment) throw new Error('a slot has no bytes yet');
    if ('bytes' in segment) write(segment.bytes);
    else {
      for (let at = segment.copy.start; at < segment.copy.end; at += BLOCK_BYTES) {
        const part = block.subarray(0, Math.min(BLOCK_BYTES, segment.copy.end - at));
        model.source.readInto(part, at);
        write(part);
      }
    }
  }
}

/**
 * Writes an edited model atomically, with its provenance and other entries for its metadata. External data goes to one file named by its content, published
 * before the model that names it.
 *
 * Memory: a block, whatever the size of the model.
 * @param inline tensors whose edits moved their values into the model file
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, OUTPUT_WRITE, INPUT_CHANGED, FORMAT_*
 */
export function writeEdited(
  model: Model,
  edits: readonly Edit[],
  options: {
    path: string;
    force: boolean;
    metadata: MetadataEntry | readonly MetadataEntry[];
    inline?: ReadonlySet<TensorRecord>;
  },
): WrittenModel {
  const { path, force, metadata, inline } = options;
  assertOutput(model, path, force);
  const parts = layOutExternal(model, (record) => (inline?.has(record) ? undefined : storedByteLength(record)));
  const data = parts.length > 0 ? openAtomic(path) : undefined;
  const file = openAtomic(path);
  try {
    const block = new Uint8Array(BLOCK_BYTES);
    for (const { record, offset, byteLength } of parts) {
      data?.write(PADDING.subarray(0, offset - data.size));
      const cursor = openPayload(model, record);
      for (let at = 0; at < byteLength; at += BLOCK_BYTES) {
        const part = block.subarray(0, Math.min(BLOCK_BYTES, byteLength - at));
        cursor.read(part);
        data?.write(part);
      }
    }
    const location = data && dataFileName(path, data.sha256());
    const moved = parts.flatMap(({ record, offset, byteLength }) =>
      setExternalData(record, location ?? '', offset, byteLength),
    );
    copySegments(model, planRewrite(model, [...edits, ...moved]), (bytes) => file.write(bytes));
    for (const entry of [metadata].flat()) file.write(delimitedMetadata(entry));
    model.assertUnchanged();
    const sha256 = file.sha256();
    const dataPath = location && join(dirname(path), location);
    // A data file of this name has this content: to replace it changes nothing.
    if (data && dataPath) data.publish({ force: true, path: dataPath });
    file.publish({ force });
    return {
      path,
      bytes: file.size,
      sha256,
      data: data && dataPath ? { path: dataPath, bytes: data.size, sha256: data.sha256() } : undefined,
    };
  } catch (error) {
    data?.discard();
    file.discard();
    throw error;
  }
}
