import type { SafetensorsArray, SafetensorsType } from '../../core/index.ts';
import { JITTER_OPS } from '../../data/index.ts';
import type { StoreRun, Teacher } from './manifest.ts';

/** A column of a part: one array of its file, [rows, ...shape]. */
export interface Column {
  readonly name: string;
  readonly dtype: SafetensorsType;
  /** Of one row; empty for a single value. */
  readonly shape: readonly number[];
}

const ARRAYS = {
  U64: BigUint64Array,
  F32: Float32Array,
  U32: Uint32Array,
  I32: Int32Array,
  F16: Uint16Array,
  U16: Uint16Array,
  U8: Uint8Array,
} as const;
type ColumnType = keyof typeof ARRAYS;

const MAX_U16_CLASSES = 2 ** 16;

export const STATUS_OK = 0;
export const STATUS_BAD = 1;
/** In `jitter_order`: no operation. */
export const NO_JITTER = 255;

const column = (name: string, dtype: ColumnType, ...shape: readonly number[]): Column => ({ name, dtype, shape });

/** What holds for all teachers; the record of the view only where views are drawn. */
export function viewColumns({ augment }: Pick<StoreRun, 'augment'>): Column[] {
  const jitter = JITTER_OPS.length;
  return [
    column('key_hash', 'U64'),
    column('source_size', 'U32', 2),
    column('status', 'U8'),
    ...(augment === null
      ? []
      : [
          column('view_seed', 'U64'),
          column('crop', 'I32', 4),
          column('flip', 'U8'),
          column('jitter', 'F32', jitter),
          column('jitter_order', 'U8', jitter),
        ]),
  ];
}

type TargetForm = Pick<StoreRun, 'kind' | 'top_k' | 'store_dtype' | 'temperatures'>;

/** A teacher's targets, and the statistics of its input. */
export function teacherColumns(
  { top_k, store_dtype, temperatures }: TargetForm,
  { n_classes, channels }: Pick<Teacher, 'n_classes' | 'channels'>,
): Column[] {
  const float = store_dtype === 'float16' ? 'F16' : 'F32';
  const index = n_classes <= MAX_U16_CLASSES ? 'U16' : 'U32';
  return [
    ...(top_k === null
      ? [column('logits', float, n_classes)]
      : [column('indices', index, top_k), column('values', float, top_k)]),
    column('max', 'F32'),
    column('lse', 'F32', temperatures.length),
    column('input_mean', 'F32', channels),
    column('input_std', 'F32', channels),
  ];
}

/** Values of one row. */
export const columnWidth = ({ shape }: Column): number => shape.reduce((product, dim) => product * dim, 1);

const arrayOf = ({ dtype }: Column) => ARRAYS[dtype as ColumnType];

/** Bytes of one row of a file. */
export function rowBytes(columns: readonly Column[]): number {
  return columns.reduce((sum, one) => sum + columnWidth(one) * arrayOf(one).BYTES_PER_ELEMENT, 0);
}

/** The arrays of a file of a part, by column name. */
export type ColumnArrays = Readonly<Record<string, SafetensorsArray>>;

/** Arrays for `rows` rows, all zero. Memory: rows · rowBytes. */
export function allocateColumns(columns: readonly Column[], rows: number): ColumnArrays {
  return Object.fromEntries(columns.map((one) => [one.name, new (arrayOf(one))(rows * columnWidth(one))]));
}
