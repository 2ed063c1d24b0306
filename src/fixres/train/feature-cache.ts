import { decodeFloat16, TemperError } from '../../core/index.ts';
import type { Tensor, Tensors } from '../../runtime/index.ts';
import { type RowStore, rowStore, type StoreLimits } from './row-store.ts';

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

export interface FeatureCacheOptions extends StoreLimits {
  /** The tensors, by name. */
  readonly names: readonly string[];
}

/** A tensor in a row: its values lie at [start, start + length). */
interface Field {
  readonly name: string;
  readonly dims: readonly number[];
  readonly start: number;
  readonly length: number;
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

/** Tensors side by side, of the sizes that they have in a batch. */
function fieldsOf(names: readonly string[], outputs: Tensors): Field[] {
  let start = 0;
  return names.map((name) => {
    const dims = (outputs[name] as Tensor).dims.slice(1);
    const length = dims.reduce((product, dim) => product * dim, 1);
    const field = { name, dims, start, length };
    start += length;
    return field;
  });
}

const rowLengthOf = (fields: readonly Field[]): number => fields.reduce((sum, { length }) => sum + length, 0);

/** The values of a field in a batch. @throws TemperError EXECUTION_OUTPUT, UNSUPPORTED_DATA_TYPE */
function valuesOf({ name, dims }: Field, outputs: Tensors, rows: number): Float32Array {
  const tensor = outputs[name] as Tensor;
  const [found, ...rest] = tensor.dims;
  if (found === rows && rest.join() === dims.join()) return asFloat32(tensor, name);
  throw new TemperError(
    'EXECUTION_OUTPUT',
    `the value ${name} at the cut is [${tensor.dims.join(', ')}] for ${rows} images, expected [${rows}, ${dims.join(', ')}]`,
    {
      hint: 'A constant Reshape mixes images, or sizes differ: tune with `mode` fc, or export with dynamic axes.',
    },
  );
}

/** Memory: up to `memoryBytes`, and a row. A row that lies on disk is read when it is asked for. */
export function featureCache({ names, ...limits }: FeatureCacheOptions): FeatureCache {
  // Known from the first batch on.
  let fields: readonly Field[] = [];
  let store: RowStore | undefined;
  const dims = new Map<string, readonly number[]>();
  const begin = (outputs: Tensors): RowStore => {
    fields = fieldsOf(names, outputs);
    for (const field of fields) dims.set(field.name, field.dims);
    return rowStore(rowLengthOf(fields), limits);
  };
  return {
    get rows() {
      return store?.rows ?? 0;
    },
    get rowBytes() {
      return 4 * rowLengthOf(fields);
    },
    get diskBytes() {
      return store?.diskBytes ?? 0;
    },
    get memoryBytes() {
      return store?.memoryBytes ?? 0;
    },
    dims,
    append(outputs, count) {
      store ??= begin(outputs);
      const values = fields.map((field) => valuesOf(field, outputs, count));
      const row = new Float32Array(rowLengthOf(fields));
      for (let i = 0; i < count; i++) {
        for (const [f, { start, length }] of fields.entries()) {
          row.set((values[f] as Float32Array).subarray(i * length, (i + 1) * length), start);
        }
        store.append(row);
      }
    },
    gather(wanted) {
      const scratch = new Float32Array(rowLengthOf(fields));
      const gathered = fields.map(({ length }) => new Float32Array(wanted.length * length));
      for (let i = 0; i < wanted.length; i++) {
        const row = store?.row(wanted[i] as number, scratch) ?? scratch;
        for (const [f, { start, length }] of fields.entries()) {
          gathered[f]?.set(row.subarray(start, start + length), i * length);
        }
      }
      return Object.fromEntries(
        fields.map(({ name, dims }, f): [string, Tensor] => [
          name,
          {
            type: 'float32',
            dims: [wanted.length, ...dims],
            data: gathered[f] as Float32Array<ArrayBuffer>,
          },
        ]),
      );
    },
    close: () => store?.close(),
  };
}
