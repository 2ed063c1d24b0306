import type { Box, Pixels } from './pixels.ts';

/** A rectangle of an image, as an image; the image itself where that is all of it. */
export function partOf(image: Pixels, box: Box | undefined): Pixels {
  if (!box || (box.width === image.width && box.height === image.height)) return image;
  const { channels } = image;
  const rowLength = box.width * channels;
  const data = new Uint8Array(box.height * rowLength);
  for (let y = 0; y < box.height; y++) {
    const at = ((box.top + y) * image.width + box.left) * channels;
    data.set(image.data.subarray(at, at + rowLength), y * rowLength);
  }
  return { data, width: box.width, height: box.height, channels };
}
