import type { FileSource } from '../../core/index.ts';
import type { PickleValue } from '../pickle/pickle-value.ts';

/** Where the bytes of a storage lie. */
export interface StoredBytes {
  readonly offset: number;
  readonly size: number;
}

/** A file of torch.save: what it holds, and where its storages lie. */
export interface TorchFile {
  readonly source: FileSource;
  readonly root: PickleValue;
  readonly bigEndian: boolean;
  /** @throws TemperError FORMAT_MALFORMED, UNSUPPORTED_FORMAT */
  storage(key: string): StoredBytes;
}
