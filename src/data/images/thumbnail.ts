import type { SampleData } from '../datasets/dataset.ts';
import { decodeImage, loadSharp } from './decode-image.ts';
import { type Pixels, toRgb } from './pixels.ts';
import { resample } from './resample.ts';

/** The longer side of a thumbnail, in pixels; smaller pictures stay as they are. */
const SIDE_PX = 96;
const QUALITY = 70;

function reduced(image: Pixels): Pixels {
  const factor = SIDE_PX / Math.max(image.width, image.height);
  if (factor >= 1) return image;
  const side = (length: number): number => Math.max(1, Math.round(factor * length));
  return resample(image, {
    interpolation: 'bilinear',
    size: { width: side(image.width), height: side(image.height) },
  });
}

/**
 * A small picture of a sample, as a `data:` URI of a WebP of some 2 KB; undefined for numbers ready for the network, which are no picture.
 * The same sample gives the same text.
 * @throws TemperError as decodeImage
 */
export async function thumbnail(sample: SampleData): Promise<string | undefined> {
  if (sample.kind === 'tensor') return undefined;
  const image = sample.kind === 'encoded' ? await decodeImage(sample.bytes, sample.path) : sample;
  const { data, width, height } = toRgb(reduced(image));
  const sharp = await loadSharp();
  const webp = await sharp(data, { raw: { width, height, channels: 3 } })
    .webp({ quality: QUALITY })
    .toBuffer();
  return `data:image/webp;base64,${webp.toString('base64')}`;
}
