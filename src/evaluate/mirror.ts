import type { Layout } from '../data/index.ts';
import type { Tensor } from '../runtime/index.ts';

/** A copy of images [n, C, H, W] or [n, H, W, C] with left and right exchanged, of any element type. */
export function mirrored(images: Tensor, layout: Layout): Tensor {
  const data = images.data.slice();
  const [width = 1, channels = 1] = layout === 'NCHW' ? images.dims.slice(-1) : images.dims.slice(-2);
  const row = width * channels;
  for (let start = 0; start < data.length; start += row) {
    data.subarray(start, start + row).reverse();
    // That turned the channels of every pixel round, too.
    if (channels === 1) continue;
    for (let pixel = start; pixel < start + row; pixel += channels) data.subarray(pixel, pixel + channels).reverse();
  }
  return { ...images, data };
}
