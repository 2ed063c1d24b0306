import type { SafetensorsArray } from '../../core/index.ts';
import { rowBytes, STATUS_BAD } from './columns.ts';
import type { StoreRun } from './manifest.ts';
import type { Part } from './open-part.ts';
import { partColumns } from './write-part.ts';

/** Bytes of a teacher's rows that are looked at a time. */
const BLOCK_BYTES = 4 << 20;

/** The first place of a value that is no finite number; -1 if there is none. Of float16 the exponent tells. */
function nonFinite(values: SafetensorsArray): number {
  if (values instanceof Uint16Array) return values.findIndex((bits) => (bits & 0x7c00) === 0x7c00);
  return values instanceof Float32Array ? values.findIndex((value) => !Number.isFinite(value)) : -1;
}

/** What is wrong with rows [start, end) of a teacher; undefined if nothing is. */
function wrongRows(run: StoreRun, part: Part, teacher: number, start: number, end: number): string | undefined {
  const float = run.top_k === null ? 'logits' : 'values';
  for (const name of [float, 'max', 'lse', 'input_mean', 'input_std']) {
    const values = part.column(teacher + 1, name, start, end);
    const at = nonFinite(values);
    if (at >= 0) return `${name} of row ${start + Math.floor((at * (end - start)) / values.length)} is not finite`;
  }
  const { values, indices, width, rows } = part.targets(teacher, start, end);
  const { status } = part.views(start, end);
  for (let row = 0; row < rows; row++) {
    const first = row * width;
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = first; i < first + width; i++) {
      const value = values[i] as number;
      if (value > highest) highest = value;
      if (indices && i > first && value > (values[i - 1] as number)) return `values of row ${start + row} rise`;
    }
    if (highest !== 0) return `the highest of row ${start + row} is ${highest}, expected 0`;
    if (indices && status[row] !== STATUS_BAD) {
      const distinct = new Set(indices.subarray(first, first + width));
      if (distinct.size < width) return `a class occurs twice in row ${start + row}`;
    }
  }
  return undefined;
}

/**
 * Looks at every value of a part: finite, none above the row's highest, top-K falling, no class twice. What is found
 * first is told, one line a teacher. Memory: some megabytes.
 */
export function wrongValues(run: StoreRun, part: Part): string[] {
  const rows = part.end - part.first;
  const columns = partColumns(run);
  return run.teachers.flatMap(({ index }) => {
    const block = Math.max(1, Math.floor(BLOCK_BYTES / rowBytes(columns[index + 1] ?? [])));
    for (let start = 0; start < rows; start += block) {
      const wrong = wrongRows(run, part, index, start, Math.min(rows, start + block));
      if (wrong !== undefined) return [`teacher ${index}: ${wrong}`];
    }
    return [];
  });
}
