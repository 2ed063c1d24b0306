import { TemperError } from '../../core/index.ts';
import type { SampleData, SampleSource } from './dataset.ts';
import { type NpyFile, openNpy } from './npy.ts';

function unsupported(file: NpyFile, what: string, hint: string): TemperError {
  return new TemperError(
    'UNSUPPORTED_DATA_TYPE',
    `${file.path}: ${file.descr} of shape (${file.shape.join(', ')}): ${what}`,
    {
      hint,
      details: { path: file.path, descr: file.descr, shape: file.shape },
    },
  );
}

/** How a row's bytes become a sample, by the array's element type. */
function rowReader(file: NpyFile): {
  kind: 'pixels' | 'tensor';
  decode: (bytes: Uint8Array<ArrayBuffer>) => SampleData;
} {
  const [, height = 0, width = 0, channels = 1] = file.shape;
  if (file.descr === '|u1') {
    const known = channels === 1 || channels === 3 || channels === 4;
    if (!(file.shape.length === 3 || file.shape.length === 4) || !known || height === 0 || width === 0) {
      const hint = 'Save pixels as (N, H, W) or (N, H, W, C) with 1, 3 or 4 channels.';
      throw unsupported(file, 'no pixels', hint);
    }
    return { kind: 'pixels', decode: (data) => ({ kind: 'pixels', width, height, channels, data }) };
  }
  if (file.descr === '<f4') {
    if (file.shape.length !== 4 || file.rowBytes === 0) {
      throw unsupported(file, 'no tensor', 'Save network input as (N, C, H, W), normalised.');
    }
    const dims = file.shape.slice(1);
    return { kind: 'tensor', decode: (bytes) => ({ kind: 'tensor', dims, data: new Float32Array(bytes.buffer) }) };
  }
  throw unsupported(
    file,
    'elements are neither uint8 nor little-endian float32',
    'Save array.astype(numpy.uint8) or float32.',
  );
}

/**
 * An array of images: uint8 (N, H, W) or (N, H, W, C), 0..255, or float32 (N, C, H, W) that is network input already.
 * Rows are read by position. Labels are in another file.
 * @throws TemperError as openNpy; UNSUPPORTED_DATA_TYPE for other shapes and types
 */
export async function openNpyImages(path: string): Promise<SampleSource> {
  const file = await openNpy(path);
  try {
    const { kind, decode } = rowReader(file);
    return {
      format: 'npy',
      path,
      kind,
      length: file.shape[0] as number,
      unlabelled: 'an .npy array has no labels: name them with `labels` FILE',
      describeRow: (row) => `row ${row}`,
      read: async (row) => decode(await file.readRows(row, 1)),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
