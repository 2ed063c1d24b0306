import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TemperError, decodeFloat16, writeError } from '../../core/index.ts';
import type { Tensor, Tensors } from '../../runtime/index.ts';

/** Rows of a block in memory. */
const BLOCK_BYTES = 16 << 20;

/** The values at the cut, one row an image and view, in memory or beyond a budget on disk. */
export interface FeatureCache {
  readonly rows: number;
  /** Bytes of a row: all tensors, as float32. */
  readonly rowBytes: number;
  /** Bytes that lie on disk, and in memory. */
  readonly diskBytes: number;
  readonly memoryBytes: number;
  /** Sizes of each tensor without the batch. */
  readonly dims: ReadonlyMap<string, readonly number[]>;
  /** Appends the rows of a batch. @throws TemperError OUTPUT_WRITE, UNSUPPORTED_DATA_TYPE, EXECUTION_OUTPUT */
  append(outputs: Tensors, rows: number): void;
  /** Rows in the order given, as new tensors. */
  gather(rows: ArrayLike<number>): Record<string, Tensor>;
  /** Removes the file. */
  close(): void;
}

export interface FeatureCacheOptions {
  /** The tensors, by name. */
  readonly names: readonly string[];
  /** Bytes that may be held in memory; what comes after goes to a file. */
  readonly memoryBytes: number;
  /** Where the file is made. */
  readonly folder: string;
  /** Rows that will come, to refuse early what the disk cannot hold. */
  readonly expectedRows: number;
}

/** Values in float32; float16 exactly. @throws TemperError UNSUPPORTED_DATA_TYPE */
export function asFloat32({ type, data }: Tensor, name: string): Float32Array {
  if (data instanceof Float32Array) return data;
  if (type === 'float16') return Float32Array.from(data as Uint16Array, decodeFloat16);
  if (data instanceof Float64Array) return Float32Array.from(data);
  throw new TemperError('UNSUPPORTED_DATA_TYPE', `the value ${name} at the cut is ${type}, expected a float type`, {
    hint: 'Tune the classifier alone: `mode` fc.',
  });
}

function freeSpace(folder: string): { bavail: number; bsize: number } {
  try {
    return statfsSync(folder);
  } catch (error) {
    throw writeError(folder, error);
  }
}

/** A file that only this process sees; where the platform allows it, its name is gone at once. */
function scratchFile(folder: string) {
  const path = join(folder, `.onnx-temper-features.${randomBytes(6).toString('hex')}.tmp`);
  let fd: number;
  try {
    fd = openSync(path, 'wx+', 0o600);
  } catch (error) {
    throw writeError(path, error);
  }
  let named = true;
  try {
    // Where open files can be removed, a kill leaves nothing behind.
    rmSync(path);
    named = false;
  } catch {
    // Windows: removed by close().
  }
  let size = 0;
  return {
    get size() {
      return size;
    },
    write(bytes: Uint8Array): void {
      try {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, size + done);
      } catch (error) {
        throw writeError(folder, error);
      }
      size += bytes.length;
    },
    read(into: Uint8Array, offset: number): void {
      for (let done = 0; done < into.length; ) {
        const got = readSync(fd, into, done, into.length - done, offset + done);
        if (got === 0) throw new TemperError('INPUT_CHANGED', `${folder}: the file of cached features was cut short`);
        done += got;
      }
    },
    close(): void {
      closeSync(fd);
      if (named) rmSync(path, { force: true });
    },
  };
}

/**
 * Memory: up to `memoryBytes`, then a block of 16 MiB. A row that lies on disk is read when it is asked for.
 */
export function featureCache({ names, memoryBytes, folder, expectedRows }: FeatureCacheOptions): FeatureCache {
  const dims = new Map<string, readonly number[]>();
  const lengths = new Map<string, number>();
  const blocks: Float32Array[] = [];
  let [rows, rowLength, rowsPerBlock, memoryRows] = [0, 0, 0, 0];
  let file: ReturnType<typeof scratchFile> | undefined;

  const begin = (outputs: Tensors): void => {
    for (const name of names) {
      const size = (outputs[name] as Tensor).dims.slice(1);
      dims.set(name, size);
      const length = size.reduce((product, dim) => product * dim, 1);
      lengths.set(name, length);
      rowLength += length;
    }
    rowsPerBlock = Math.max(1, Math.floor(BLOCK_BYTES / (4 * rowLength)));
    memoryRows = Math.floor(memoryBytes / (4 * rowLength));
    const onDisk = Math.max(0, expectedRows - memoryRows) * 4 * rowLength;
    if (onDisk === 0) return;
    const { bavail, bsize } = freeSpace(folder);
    if (onDisk <= bavail * bsize) return;
    const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
    throw new TemperError(
      'OUTPUT_WRITE',
      `${folder}: the features of ${expectedRows} images and views take ${mib(onDisk)} on disk, ${mib(bavail * bsize)} are free`,
      {
        hint: 'Take fewer images (`train.limit`) or views, more memory (`cacheMemory`), or `mode` fc, which keeps one vector an image.',
        details: { folder, needed: onDisk, free: bavail * bsize },
      },
    );
  };
  const store = (row: Float32Array): void => {
    if (rows < memoryRows) {
      const [block, at] = [Math.floor(rows / rowsPerBlock), rows % rowsPerBlock];
      blocks[block] ??= new Float32Array(Math.min(rowsPerBlock, memoryRows - block * rowsPerBlock) * rowLength);
      blocks[block].set(row, at * rowLength);
    } else {
      file ??= scratchFile(folder);
      file.write(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
    }
    rows++;
  };
  const load = (row: number, scratch: Float32Array): Float32Array => {
    if (row < memoryRows) {
      const [block, at] = [Math.floor(row / rowsPerBlock), row % rowsPerBlock];
      return (blocks[block] as Float32Array).subarray(at * rowLength, (at + 1) * rowLength);
    }
    file?.read(new Uint8Array(scratch.buffer), (row - memoryRows) * 4 * rowLength);
    return scratch;
  };
  return {
    get rows() {
      return rows;
    },
    get rowBytes() {
      return 4 * rowLength;
    },
    get diskBytes() {
      return file?.size ?? 0;
    },
    get memoryBytes() {
      return Math.min(rows, memoryRows) * 4 * rowLength;
    },
    dims,
    append(outputs, count) {
      if (dims.size === 0) begin(outputs);
      const values = names.map((name) => {
        const tensor = outputs[name] as Tensor;
        const [found, ...rest] = tensor.dims;
        if (found !== count || rest.join() !== dims.get(name)?.join()) {
          throw new TemperError(
            'EXECUTION_OUTPUT',
            `the value ${name} at the cut is [${tensor.dims.join(', ')}] for ${count} images, expected [${count}, ${dims.get(name)?.join(', ')}]`,
            {
              hint: 'A constant Reshape mixes images, or sizes differ: tune with `mode` fc, or export with dynamic axes.',
            },
          );
        }
        return asFloat32(tensor, name);
      });
      const row = new Float32Array(rowLength);
      for (let i = 0; i < count; i++) {
        let at = 0;
        for (const [t, name] of names.entries()) {
          const length = lengths.get(name) as number;
          row.set((values[t] as Float32Array).subarray(i * length, (i + 1) * length), at);
          at += length;
        }
        store(row);
      }
    },
    gather(wanted) {
      const scratch = new Float32Array(rowLength);
      const out = names.map((name) => new Float32Array(wanted.length * (lengths.get(name) as number)));
      for (let i = 0; i < wanted.length; i++) {
        const row = load(wanted[i] as number, scratch);
        let at = 0;
        for (const [t, name] of names.entries()) {
          const length = lengths.get(name) as number;
          out[t]?.set(row.subarray(at, at + length), i * length);
          at += length;
        }
      }
      return Object.fromEntries(
        names.map((name, t): [string, Tensor] => [
          name,
          {
            type: 'float32',
            dims: [wanted.length, ...(dims.get(name) ?? [])],
            data: out[t] as Float32Array<ArrayBuffer>,
          },
        ]),
      );
    },
    close() {
      blocks.length = 0;
      file?.close();
      file = undefined;
    },
  };
}
