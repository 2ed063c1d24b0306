import {
  type ByteSource,
  type FileKind,
  type FileSource,
  HEAD_BYTES,
  memorySource,
  openFile,
  otherKind,
  readBytes,
  TemperError,
} from '../../core/index.ts';
import { resolveExternal } from './external-data.ts';
import type { Model, ModelRecord, TensorRecord } from './model.ts';
import { tensorsOfModel } from './scopes.ts';
import { sameSkeleton } from './skeleton.ts';
import { storedByteLength } from './tensor-size.ts';
import { walkModel } from './walk.ts';

function externalLocations(record: ModelRecord): string[] {
  const locations = new Set<string>();
  for (const { payload } of tensorsOfModel(record)) if (payload.kind === 'external') locations.add(payload.location);
  return [...locations];
}

/** @throws TemperError FORMAT_MALFORMED for a file that is known to be something else */
export function assertModelFile(source: FileSource): void {
  const other = otherKind(source.path, readBytes(source, 0, Math.min(HEAD_BYTES, source.size)), 'an ONNX model', [
    'onnx',
  ]);
  if (other) throw other;
}

/** Kinds that begin with so many bytes of their own that no weights do so by chance. */
const SURE_KINDS: ReadonlySet<unknown> = new Set<FileKind>([
  ...(['git-lfs', 'html', 'xml', 'pytorch', 'pytorch-legacy', 'hdf5', 'keras', 'npz', 'npy', 'safetensors'] as const),
]);

/** Bytes that a file of external data must have. */
function neededBytes(record: ModelRecord, location: string): number {
  let end = 0;
  for (const tensor of tensorsOfModel(record)) {
    const { payload } = tensor;
    if (payload.kind === 'external' && payload.location === location)
      end = Math.max(end, payload.offset + (storedByteLength(tensor) || 0));
  }
  return end;
}

/**
 * Raw weights may begin with any bytes: a file is something else if many of them say so, or some, and it is too short.
 * @throws TemperError FORMAT_MALFORMED
 */
function assertDataFile(file: FileSource, model: string, record: ModelRecord, location: string): void {
  const head = readBytes(file, 0, Math.min(HEAD_BYTES, file.size));
  const other = otherKind(file.path, head, `the weights of ${model}`);
  if (other && (SURE_KINDS.has(other.details.kind) || file.size < neededBytes(record, location))) throw other;
}

/**
 * Opens an ONNX file and walks it; external data files are opened when they are first read.
 * @param like a model that the file may equal in all but payloads: its record is then shared, and nothing is walked
 * @throws TemperError INPUT_*, FORMAT_*
 */
export function openModel(path: string, like?: Model): Model {
  const source = openFile(path);
  const externals = new Map<string, FileSource>();
  const closeAll = (): void => {
    source.close();
    for (const file of externals.values()) file.close();
  };
  try {
    assertModelFile(source);
    const shared = like && sameSkeleton(like, source) ? like : undefined;
    const record = shared?.record ?? walkModel(source);
    return {
      path,
      source,
      record,
      externalLocations: shared?.externalLocations ?? externalLocations(record),
      external(location) {
        const known = externals.get(location);
        if (known) return known;
        const opened = openFile(resolveExternal(path, location));
        externals.set(location, opened);
        assertDataFile(opened, path, record, location);
        return opened;
      },
      assertUnchanged() {
        source.assertUnchanged();
        for (const file of externals.values()) file.assertUnchanged();
      },
      close: closeAll,
    };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/** A model in memory, with its external files by location. */
export function modelFromBytes(bytes: Uint8Array, externals: ReadonlyMap<string, Uint8Array> = new Map()): Model {
  const source = memorySource(bytes);
  const record = walkModel(source);
  return {
    path: source.path,
    source,
    record,
    externalLocations: externalLocations(record),
    external(location): ByteSource {
      const data = externals.get(location);
      if (!data) {
        throw new TemperError(
          'INPUT_NOT_FOUND',
          `external data ${JSON.stringify(location)} was not given with the model`,
        );
      }
      return memorySource(data, location);
    },
    assertUnchanged() {},
    close() {},
  };
}

/** Where a tensor's values can be read: its file, and the first byte there. Undefined for typed or absent values. */
export function rawLocation(model: Model, tensor: TensorRecord): { source: ByteSource; offset: number } | undefined {
  const { payload } = tensor;
  if (payload.kind === 'raw') return { source: model.source, offset: payload.start };
  if (payload.kind === 'external') return { source: model.external(payload.location), offset: payload.offset };
  return undefined;
}
