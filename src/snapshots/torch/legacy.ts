import { type ByteSource, type FileSource, readBytes, TemperError } from '../../core/index.ts';
import type { PickleNames } from '../pickle/machine.ts';
import { pickleSource } from '../pickle/pickle-source.ts';
import type { PickleStorage, PickleValue } from '../pickle/pickle-value.ts';
import { readPickle } from '../pickle/read-pickle.ts';
import type { StoredBytes, TorchFile } from './torch-content.ts';
import { TORCH_NAMES } from './torch-names.ts';
import { storageType } from './torch-types.ts';

/** torch/serialization.py: MAGIC_NUMBER and PROTOCOL_VERSION. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

const COUNT_BYTES = 8;

function notTorch(path: string, what: string): TemperError {
  return new TemperError('UNSUPPORTED_FORMAT', `${path}: ${what}`, {
    hint: 'Save the weights with torch.save(model.state_dict(), …), or with safetensors.',
    details: { path },
  });
}

/**
 * Where the storages lie: each as a count of elements in eight bytes, then its bytes, one behind the other in the order of
 * `keys`. Both are little-endian on every machine.
 */
function layOut(
  source: ByteSource,
  keys: readonly PickleValue[],
  used: ReadonlyMap<string, PickleStorage>,
  start: number,
): Map<string, StoredBytes> {
  const malformed = (what: string): TemperError =>
    new TemperError('FORMAT_MALFORMED', `${source.path}: ${what}`, {
      hint: 'Copy the file again, or write it again with torch.save.',
      details: { path: source.path },
    });
  const places = new Map<string, StoredBytes>();
  let position = start;
  for (const key of keys) {
    const storage = typeof key === 'string' ? used.get(key) : undefined;
    if (typeof key !== 'string' || !storage || places.has(key))
      throw malformed('storages that the pickle does not name');
    const bytes = storageType(storage.type)?.bytes;
    if (bytes === undefined) throw malformed(`a storage of the unknown class ${storage.type}`);
    const count = Number(Buffer.from(readBytes(source, position, COUNT_BYTES)).readBigUInt64LE());
    const offset = position + COUNT_BYTES;
    const size = count * bytes;
    if (!(size <= source.size - offset)) {
      const what = `${source.path}: storage ${key}: ${size} bytes at byte ${offset}, but the file has ${source.size}`;
      throw new TemperError('FORMAT_TRUNCATED', what, {
        hint: 'Copy the file again: it is incomplete.',
        details: { path: source.path, offset, size: source.size },
      });
    }
    places.set(key, { offset, size });
    position = offset + size;
  }
  return places;
}

/**
 * Reads a file of torch.save before 1.6 (or with _use_new_zipfile_serialization=False): five pickles (magic number, protocol,
 * machine, content, keys of the storages), then the storages.
 * @throws TemperError FORMAT_*, UNSUPPORTED_FORMAT for pickles that torch.save did not write
 */
export function readLegacy(source: FileSource): TorchFile {
  const { path, size } = source;
  const pickles = pickleSource(source, 0, size);
  if (readPickle(pickles, TORCH_NAMES) !== MAGIC) throw notTorch(path, 'is a pickle that torch.save did not write');
  const protocol = readPickle(pickles, TORCH_NAMES);
  if (protocol !== PROTOCOL) throw notTorch(path, `protocol ${String(protocol)} of torch.save, known is ${PROTOCOL}`);
  readPickle(pickles, TORCH_NAMES);
  const used = new Map<string, PickleStorage>();
  const names: PickleNames = {
    ...TORCH_NAMES,
    persistent(id, at) {
      const storage = TORCH_NAMES.persistent(id, at) as PickleStorage;
      used.set(storage.key, storage);
      return storage;
    },
  };
  const root = readPickle(pickles, names);
  const keys = readPickle(pickles, TORCH_NAMES);
  if (!Array.isArray(keys)) throw pickles.malformed('the keys of the storages are no list');
  const places = layOut(source, keys, used, pickles.position);
  return {
    source,
    root,
    bigEndian: false,
    storage(key) {
      const place = places.get(key);
      if (!place) throw pickles.malformed(`storage ${JSON.stringify(key)} is not in the file`);
      return place;
    },
  };
}
