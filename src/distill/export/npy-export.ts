import { setImmediate } from 'node:timers/promises';
import type { AtomicFile, SafetensorsType } from '../../core/index.ts';
import { type Column, columnWidth, SAMPLES_FILE, type Store, teacherColumns, viewColumns } from '../store/index.ts';
import { copySamples } from './copy-samples.ts';
import type { ExportFiles } from './export-files.ts';

/** NumPy's names of the types that a store has; F16 is '<f2'. */
const DESCR: Partial<Readonly<Record<SafetensorsType, string>>> = {
  U64: '<u8',
  F32: '<f4',
  U32: '<u4',
  I32: '<i4',
  F16: '<f2',
  U16: '<u2',
  U8: '|u1',
};

/** NumPy's own alignment of the data, so that a mapped array is aligned for every instruction set. */
const ALIGNMENT = 64;
/** magic, version 1.0, two bytes of header length. */
const PREFIX_BYTES = 10;
const BLOCK_BYTES = 16 << 20;

/** The header of a .npy file (NEP 1, version 1.0) as numpy.save writes it: C order, the data at a multiple of 64. */
export function npyHeader(descr: string, shape: readonly number[]): Buffer {
  const dims = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${dims}, }`;
  const total = Math.ceil((PREFIX_BYTES + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const header = Buffer.alloc(total, ' ');
  header.write('\x93NUMPY\x01\x00', 'latin1');
  header.writeUInt16LE(total - PREFIX_BYTES, 8);
  header.write(text, PREFIX_BYTES, 'latin1');
  header.write('\n', total - 1, 'latin1');
  return header;
}

async function writeColumn(store: Store, file: number, column: Column, out: AtomicFile): Promise<void> {
  const { n_samples, views, n_parts } = store.manifest;
  const { name, dtype, shape } = column;
  const descr = DESCR[dtype];
  if (descr === undefined) throw new RangeError(`${name}: no .npy type for ${dtype}`);
  out.write(npyHeader(descr, [n_samples, views, ...shape]));
  const rowBytes = columnWidth(column) * Number(descr.slice(2));
  const block = Math.max(1, Math.floor(BLOCK_BYTES / rowBytes));
  for (let p = 0; p < n_parts; p++) {
    const part = store.part(p);
    try {
      const rows = part.end - part.first;
      for (let at = 0; at < rows; at += block) {
        const { buffer, byteOffset, byteLength } = part.column(file, name, at, Math.min(rows, at + block));
        out.write(new Uint8Array(buffer, byteOffset, byteLength));
        // An interrupt is seen between blocks.
        await setImmediate();
      }
    } finally {
      part.close();
    }
  }
}

/**
 * One array per column, [samples, views, ...], memory-mappable by numpy.load(path, mmap_mode='r'): views/<column>.npy and
 * teachers/<i>/<column>.npy, beside samples.csv. Rows of bad images are zero, as `status` says. Memory: 16 MiB.
 * @throws TemperError OUTPUT_*, and as Store.part
 */
export async function exportNpy(store: Store, files: ExportFiles): Promise<void> {
  const { manifest } = store;
  await files.add(SAMPLES_FILE, (out) => copySamples(store, out));
  for (const column of viewColumns(manifest)) {
    await files.add(`views/${column.name}.npy`, (out) => writeColumn(store, 0, column, out));
  }
  for (const teacher of manifest.teachers) {
    for (const column of teacherColumns(manifest, teacher)) {
      const path = `teachers/${teacher.index}/${column.name}.npy`;
      await files.add(path, (out) => writeColumn(store, teacher.index + 1, column, out));
    }
  }
}
