import { TemperError } from '../../core/index.ts';
import { readIdx } from './idx.ts';
import type { RawLabels } from './labels.ts';
import { openNpy } from './npy.ts';

type IntegerReader = (view: DataView, index: number) => number;

/** NumPy's integer types, little-endian (int64 is exact up to 2^53, far beyond any label). */
const INTEGERS: ReadonlyMap<string, IntegerReader> = new Map<string, IntegerReader>([
  ['|u1', (view, i) => view.getUint8(i)],
  ['|i1', (view, i) => view.getInt8(i)],
  ['<u2', (view, i) => view.getUint16(2 * i, true)],
  ['<i2', (view, i) => view.getInt16(2 * i, true)],
  ['<u4', (view, i) => view.getUint32(4 * i, true)],
  ['<i4', (view, i) => view.getInt32(4 * i, true)],
  ['<u8', (view, i) => Number(view.getBigUint64(8 * i, true))],
  ['<i8', (view, i) => Number(view.getBigInt64(8 * i, true))],
]);

function rankError(path: string, dims: readonly number[]): TemperError {
  return new TemperError('FORMAT_MALFORMED', `${path}: labels of shape (${dims.join(', ')}), expected (N)`, {
    hint: 'Name the label file with `labels`, the image file with `data`.',
    details: { path, dims },
  });
}

async function npyLabels(path: string): Promise<Float64Array> {
  const file = await openNpy(path);
  try {
    const read = INTEGERS.get(file.descr);
    if (read === undefined) {
      throw new TemperError('UNSUPPORTED_DATA_TYPE', `${path}: labels are ${file.descr}, expected integers`, {
        hint: 'Save labels.astype(numpy.int64).',
        details: { path, descr: file.descr },
      });
    }
    if (file.shape.length !== 1) throw rankError(path, file.shape);
    const count = file.shape[0] as number;
    const view = new DataView((await file.readRows(0, count)).buffer);
    return Float64Array.from({ length: count }, (_, i) => read(view, i));
  } finally {
    await file.close();
  }
}

/** Lists name their pictures: they are data sets of their own. */
const TEXT_LIST = /\.(csv|tsv|txt|lst|json|jsonl)$/i;

/**
 * Reads `--labels FILE`: IDX (plain or .gz) or .npy integers, one a row. Memory: 8 bytes a label.
 * @throws TemperError MISMATCH_VALUE unless there are `length` of them; FORMAT_MALFORMED, UNSUPPORTED_DATA_TYPE;
 * as readIdx and openNpy
 */
export async function readLabelsFile(path: string, source: string, length: number): Promise<RawLabels> {
  if (TEXT_LIST.test(path)) {
    throw new TemperError('UNSUPPORTED_FORMAT', `${path}: \`labels\` are an array, IDX or .npy, found a text list`, {
      hint: 'Name the list as `data`: CSV with the columns path and label, or lines of a path and a label (.txt).',
      details: { path },
    });
  }
  let values: ArrayLike<number>;
  if (/\.npy$/i.test(path)) {
    values = await npyLabels(path);
  } else {
    const { dims, data } = await readIdx(path);
    if (dims.length !== 1) throw rankError(path, dims);
    values = data;
  }
  if (values.length !== length) {
    throw new TemperError('MISMATCH_VALUE', `${path}: ${values.length} labels, but ${source} has ${length} samples`, {
      hint: 'Name the labels of this data set, in its order.',
      details: { path, labels: values.length, samples: length },
    });
  }
  return { from: path, values };
}
