import { join } from 'node:path';
import {
  decodeFloat16s,
  type FileSource,
  openFile,
  openSafetensors,
  type SafetensorsArray,
  type SafetensorsFile,
} from '../../core/index.ts';
import { type Box, JITTER_OPS, type JitterStep, type Size, type ViewRecord } from '../../data/index.ts';
import { type Column, NO_JITTER, STATUS_BAD, STATUS_OK } from './columns.ts';
import { arrayPaths, type PartRange, partRange } from './layout.ts';
import type { StoreRun } from './manifest.ts';
import { malformed } from './read-json.ts';
import { PART_METADATA, partColumns } from './write-part.ts';

/** What holds of some rows for all teachers. */
export interface ViewRows {
  readonly keyHash: BigUint64Array;
  readonly source: readonly Size[];
  /** 0: fine; 1: the sample could not be decoded, and its targets are zeros. */
  readonly status: Uint8Array;
  /** Absent where no views are drawn. */
  readonly seed: BigUint64Array | undefined;
  /** Absent where no views are drawn. */
  readonly records: readonly ViewRecord[] | undefined;
}

/** A teacher's targets of some rows. */
export interface TargetRows {
  readonly rows: number;
  /** Values in a row: classes, or K. */
  readonly width: number;
  /** [rows, width]: logits minus the row's highest; float16 decoded. */
  readonly values: Float32Array;
  /** [rows, width] classes of the values; absent in a dense store. */
  readonly indices: Uint16Array | Uint32Array | undefined;
  /** [rows]: the highest logit. */
  readonly max: Float32Array;
  /** [rows, temperatures]: ln Σ exp((z - max)/T) over all classes. */
  readonly lse: Float32Array;
  /** [rows, channels]. */
  readonly inputMean: Float32Array;
  readonly inputStd: Float32Array;
}

/** One part of a store, its files open. Rows are counted within the part. */
export interface Part extends PartRange {
  /** @throws TemperError FORMAT_TRUNCATED, FORMAT_MALFORMED, FORMAT_LIMIT, INPUT_UNREADABLE */
  views(start?: number, end?: number): ViewRows;
  /** As views(). @param teacher position @throws RangeError for a teacher that the store does not have */
  targets(teacher: number, start?: number, end?: number): TargetRows;
  /** A column as it is stored, of `file` 0 (views) or teacher + 1. */
  column(file: number, name: string, start?: number, end?: number): SafetensorsArray;
  close(): void;
}

/** Each column must be there, of its type and shape, and no other. */
function assertColumns(path: string, file: SafetensorsFile, columns: readonly Column[], rows: number): void {
  for (const [key, value] of PART_METADATA) {
    const found = file.metadata.get(key);
    if (found !== value) throw malformed(path, `${key} is ${JSON.stringify(found)}, expected "${value}"`);
  }
  for (const { name, dtype, shape } of columns) {
    const found = file.tensors.get(name);
    if (!found) throw malformed(path, `has no column ${name}`);
    const [is, expected] = [`${found.dtype} [${found.shape.join(', ')}]`, `${dtype} [${[rows, ...shape].join(', ')}]`];
    if (is !== expected) throw malformed(path, `column ${name} is ${is}, expected ${expected}`);
  }
  if (file.tensors.size > columns.length) {
    const known = new Set(columns.map(({ name }) => name));
    throw malformed(path, `unknown column ${[...file.tensors.keys()].find((name) => !known.has(name))}`);
  }
}

const floats = (values: SafetensorsArray): Float32Array =>
  values instanceof Float32Array ? values : decodeFloat16s(values as Uint16Array);

/** The record of a view, from its columns. @throws TemperError FORMAT_MALFORMED */
function recordAt(
  path: string,
  i: number,
  columns: { crop: Int32Array; flip: Uint8Array; jitter: Float32Array; order: Uint8Array },
): ViewRecord {
  const [top, left, height, width] = columns.crop.subarray(4 * i, 4 * i + 4) as unknown as [
    number,
    number,
    number,
    number,
  ];
  const ops = JITTER_OPS.length;
  const order = columns.order.subarray(ops * i, ops * i + ops);
  const jitter: JitterStep[] = [];
  for (const at of order) {
    if (at === NO_JITTER) break;
    const op = JITTER_OPS[at];
    if (op === undefined) throw malformed(path, `jitter_order ${order.join(', ')} of row ${i}`);
    jitter.push({ op, factor: columns.jitter[ops * i + at] as number });
  }
  const crop: Box | null = height === 0 ? null : { left, top, width, height };
  return { crop, flip: columns.flip[i] === 1, jitter };
}

/**
 * Opens the files of a part and checks that they hold the columns that the run says, no more and no less. Values are read
 * on demand: memory is what is asked for.
 * @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, FORMAT_TRUNCATED, FORMAT_MALFORMED, FORMAT_LIMIT,
 * UNSUPPORTED_DATA_TYPE
 */
export function openPart(folder: string, run: StoreRun, index: number): Part {
  const range = partRange(run, index);
  const rows = range.end - range.first;
  const columns = partColumns(run);
  const sources: FileSource[] = [];
  const files: SafetensorsFile[] = [];
  const close = (): void => {
    for (const source of sources) source.close();
  };
  try {
    for (const [i, path] of arrayPaths(run, index).entries()) {
      const source = openFile(join(folder, path));
      sources.push(source);
      const file = openSafetensors(source);
      files.push(file);
      assertColumns(source.path, file, columns[i] as Column[], rows);
    }
  } catch (error) {
    close();
    throw error;
  }
  const fileOf = (i: number): SafetensorsFile => {
    const found = files[i];
    if (!found) throw new RangeError(`file ${i} of ${files.length}`);
    return found;
  };
  const column = (file: number, name: string, start = 0, end = rows): SafetensorsArray =>
    fileOf(file).read(name, start, end);

  return {
    ...range,
    column,
    close,
    views(start = 0, end = rows) {
      const { path } = fileOf(0);
      const read = <T>(name: string): T => column(0, name, start, end) as T;
      const status = read<Uint8Array>('status');
      const wrong = status.findIndex((value) => value !== STATUS_OK && value !== STATUS_BAD);
      if (wrong >= 0) throw malformed(path, `status ${status[wrong]} of row ${start + wrong}`);
      const size = read<Uint32Array>('source_size');
      const drawn =
        run.augment === null
          ? undefined
          : {
              crop: read<Int32Array>('crop'),
              flip: read<Uint8Array>('flip'),
              jitter: read<Float32Array>('jitter'),
              order: read<Uint8Array>('jitter_order'),
            };
      return {
        keyHash: read('key_hash'),
        source: Array.from(status, (_, i) => ({ height: size[2 * i] as number, width: size[2 * i + 1] as number })),
        status,
        seed: drawn && read('view_seed'),
        records: drawn && Array.from(status, (_, i) => recordAt(path, i, drawn)),
      };
    },
    targets(teacher, start = 0, end = rows) {
      const { n_classes } = run.teachers[teacher] ?? {};
      if (n_classes === undefined) throw new RangeError(`teacher ${teacher} of ${run.teachers.length}`);
      const { path } = fileOf(teacher + 1);
      const read = <T>(name: string): T => column(teacher + 1, name, start, end) as T;
      const indices = run.top_k === null ? undefined : read<Uint16Array | Uint32Array>('indices');
      const outside = indices?.find((at) => at >= n_classes);
      if (outside !== undefined) throw malformed(path, `class ${outside} of ${n_classes}`);
      return {
        rows: end - start,
        width: run.top_k ?? n_classes,
        values: floats(column(teacher + 1, indices ? 'values' : 'logits', start, end)),
        indices,
        max: read('max'),
        lse: read('lse'),
        inputMean: read('input_mean'),
        inputStd: read('input_std'),
      };
    },
  };
}
