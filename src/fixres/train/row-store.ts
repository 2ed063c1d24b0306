import { statfsSync } from 'node:fs';
import { TemperError, writeError } from '../../core/index.ts';
import { type ScratchFile, scratchFile } from './scratch-file.ts';

/** Rows of a block in memory. */
const BLOCK_BYTES = 16 << 20;

/** Where rows are kept. */
export interface StoreLimits {
  /** Bytes that may be held in memory; what comes after goes to a file. */
  readonly memoryBytes: number;
  /** Where the file is made. */
  readonly folder: string;
  /** Rows that will come, to refuse early what the disk cannot hold. */
  readonly expectedRows: number;
}

/** Rows of float32 of one length, the first in memory and the rest on disk. */
export interface RowStore {
  readonly rows: number;
  /** Bytes that lie in memory, and on disk. */
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** @throws TemperError OUTPUT_WRITE */
  append(row: Float32Array): void;
  /** A row; one that lies on disk is read into `scratch`. */
  row(index: number, scratch: Float32Array): Float32Array;
  /** Removes the file. */
  close(): void;
}

function freeSpace(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch (error) {
    throw writeError(folder, error);
  }
}

/** @param needed bytes on disk @throws TemperError OUTPUT_WRITE */
function assertRoom(folder: string, needed: number, rows: number): void {
  if (needed === 0) return;
  const free = freeSpace(folder);
  if (needed <= free) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new TemperError(
    'OUTPUT_WRITE',
    `${folder}: the features of ${rows} images and views take ${mib(needed)} on disk, ${mib(free)} are free`,
    {
      hint: 'Take fewer images (`train.limit`) or views, more memory (`cacheMemoryBytes`), or `mode` fc, which keeps one vector an image.',
      details: { folder, needed, free },
    },
  );
}

/**
 * Memory: up to `memoryBytes`, in blocks of 16 MiB.
 * @throws TemperError OUTPUT_WRITE if the disk cannot hold what the memory does not
 */
export function rowStore(rowLength: number, { memoryBytes, folder, expectedRows }: StoreLimits): RowStore {
  const rowBytes = 4 * rowLength;
  const rowsPerBlock = Math.max(1, Math.floor(BLOCK_BYTES / rowBytes));
  const memoryRows = Math.floor(memoryBytes / rowBytes);
  assertRoom(folder, Math.max(0, expectedRows - memoryRows) * rowBytes, expectedRows);
  const blocks: Float32Array[] = [];
  let file: ScratchFile | undefined;
  let rows = 0;
  const place = (index: number): [block: number, at: number] => [
    Math.floor(index / rowsPerBlock),
    (index % rowsPerBlock) * rowLength,
  ];
  return {
    get rows() {
      return rows;
    },
    get memoryBytes() {
      return Math.min(rows, memoryRows) * rowBytes;
    },
    get diskBytes() {
      return file?.size ?? 0;
    },
    append(row) {
      if (rows < memoryRows) {
        const [block, at] = place(rows);
        blocks[block] ??= new Float32Array(Math.min(rowsPerBlock, memoryRows - block * rowsPerBlock) * rowLength);
        blocks[block].set(row, at);
      } else {
        file ??= scratchFile(folder);
        file.write(new Uint8Array(row.buffer, row.byteOffset, row.byteLength));
      }
      rows++;
    },
    row(index, scratch) {
      if (index < memoryRows) {
        const [block, at] = place(index);
        return (blocks[block] as Float32Array).subarray(at, at + rowLength);
      }
      file?.read(new Uint8Array(scratch.buffer), (index - memoryRows) * rowBytes);
      return scratch;
    },
    close() {
      blocks.length = 0;
      file?.close();
      file = undefined;
    },
  };
}
