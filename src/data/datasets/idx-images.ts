import { TemperError } from '../../core/index.ts';
import type { SampleSource } from './dataset.ts';
import { readIdx } from './idx.ts';

/**
 * IDX images, (N, H, W) or (N, H, W, C), plain or .gz, held in memory. Labels are in another file.
 * @throws TemperError as readIdx; FORMAT_MALFORMED for another rank
 */
export async function openIdxImages(path: string): Promise<SampleSource> {
  const { dims, data } = await readIdx(path);
  const [length = 0, height = 0, width = 0, channels = 1] = dims;
  const known = channels === 1 || channels === 3 || channels === 4;
  if (dims.length < 3 || dims.length > 4 || !known) {
    throw new TemperError(
      'FORMAT_MALFORMED',
      `${path}: dims (${dims.join(', ')}), expected (N, H, W) or (N, H, W, C)`,
      {
        hint: 'Name the images with `data`, the labels with `labels`.',
        details: { path, dims },
      },
    );
  }
  const bytes = height * width * channels;
  return {
    format: 'idx',
    path,
    kind: 'pixels',
    length,
    unlabelled: 'IDX images have no labels: name them with `labels` FILE',
    describeRow: (row) => `row ${row}`,
    // A copy: the caller may transfer it to another thread.
    read: async (row) => ({
      kind: 'pixels',
      width,
      height,
      channels,
      data: new Uint8Array(data.subarray(row * bytes, (row + 1) * bytes)),
    }),
  };
}
