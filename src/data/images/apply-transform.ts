import { encodeFloat16, remembered, TemperError } from '../../core/index.ts';
import { type Geometry, planGeometry } from './geometry.ts';
import { resizePixels } from './interpolation.ts';
import { type Pixels, premultiplied, toGrey, toRgb, toRgba, unpremultiplied } from './pixels.ts';
import { CHANNELS, type Color, type Transform } from './transform.ts';

/** A network's input: float16 as bit patterns, which is how onnxruntime-node takes it. */
export type InputData = Float32Array | Uint16Array | Uint8Array;

export interface Transformed {
  /** [C, H, W] or [H, W, C], row-major, without the batch dimension. */
  readonly data: InputData;
  readonly geometry: Geometry;
}

/** How many values one image has. */
export function inputLength({ crop, color }: Transform): number {
  return crop.width * crop.height * CHANNELS[color];
}

const ARRAYS = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array } as const;

/**
 * An array for `images` inputs of a transform: [N, …].
 * @param spare memory that is taken instead of new one where it has the size; what it holds stays until it is written over
 */
export function allocateInput(transform: Transform, images = 1, spare?: ArrayBuffer): InputData {
  const array = ARRAYS[transform.dtype];
  const length = images * inputLength(transform);
  return spare?.byteLength === length * array.BYTES_PER_ELEMENT ? new array(spare) : new array(length);
}

/**
 * The evaluation transform: resize, pad, centre crop, normalise. Resampling and geometry equal torchvision's on PIL
 * images bit for bit, unless the transform names another library; normalisation equals torch's ToTensor and Normalize in float32 (see {@link toInput}).
 * @param into written to instead of a new array; of the transform's type, and exactly inputLength() long
 */
export function applyTransform(image: Pixels, transform: Transform, into?: InputData): Transformed {
  const geometry = planGeometry(image, transform);
  const data = toInput(cropPixels(image, transform, geometry), transform, into);
  if (transform.framing === 'corner') clearPadding(data, transform, geometry);
  return { data, geometry };
}

/** transformers pads what is normalised already: with 0. */
function clearPadding(data: InputData, { crop, color, layout }: Transform, { padding }: Geometry): void {
  const channels = CHANNELS[color];
  const [planes, perPixel] = layout === 'NCHW' ? [channels, 1] : [1, channels];
  const [inside, row] = [(crop.width - padding.right) * perPixel, crop.width * perPixel];
  for (let plane = 0; plane < planes; plane++) {
    const start = plane * crop.height * row;
    for (let y = 0; y < crop.height; y++) {
      const from = y < crop.height - padding.bottom ? inside : 0;
      data.fill(0, start + y * row + from, start + (y + 1) * row);
    }
  }
}

/** Pixels as a network of that colour wants them; grey ones of a colour network stay grey until the end. */
export function inColor(image: Pixels, color: Color): Pixels {
  if (color === 'grey') return toGrey(image);
  if (color === 'rgba') return toRgba(image);
  return image.channels === 4 ? toRgb(image) : image;
}

/** Resizes; with alpha, in Pillow's way: colours are multiplied by it meanwhile, unless the filter is nearest or nothing is resized. */
export function resizeInColor(image: Pixels, transform: Transform, resize: Parameters<typeof resizePixels>[2]): Pixels {
  const { color, interpolation, resampler } = transform;
  const { size, crop } = resize;
  const { width, height } = crop ?? image;
  const isSame = size.width === width && size.height === height;
  if (color !== 'rgba' || resampler !== undefined || interpolation === 'nearest' || isSame)
    return resizePixels(image, transform, resize);
  return unpremultiplied(resizePixels(premultiplied(image), transform, resize));
}

/** The 8-bit pixels of the network's field of view, padded; one channel if the transform is grey or the image is. */
export function cropPixels(image: Pixels, transform: Transform, geometry: Geometry): Pixels {
  const source = inColor(image, transform.color);
  const { part, resized, padding, crop } = geometry;
  const window = {
    left: Math.max(0, crop.left - padding.left),
    top: Math.max(0, crop.top - padding.top),
    width: Math.min(crop.width, resized.width),
    height: Math.min(crop.height, resized.height),
  };
  const inner = resizeInColor(source, transform, { size: resized, window, crop: part });
  return window.width === crop.width && window.height === crop.height ? inner : pad(inner, transform, geometry);
}

function pad(inner: Pixels, transform: Transform, { padding, crop }: Geometry): Pixels {
  const { fill, color } = transform;
  const image = fill.every((value) => value === fill[0]) || color === 'rgba' ? inner : toRgb(inner);
  const { channels } = image;
  const data = new Uint8Array(crop.width * crop.height * channels);
  for (let i = 0; i < data.length; i++) data[i] = fill[i % channels] as number;
  const rowLength = image.width * channels;
  for (let y = 0; y < image.height; y++) {
    const at = ((y + padding.top) * crop.width + padding.left) * channels;
    data.set(image.data.subarray(y * rowLength, (y + 1) * rowLength), at);
  }
  return { data, width: crop.width, height: crop.height, channels };
}

/**
 * What each of the 256 pixel values becomes, per channel of the source order: torch's arithmetic, each step rounded to float32: x / 255, minus mean, divided by std. float16 rounds the float32
 * result, as `.half()`. uint8 passes pixels through.
 */
const tablesOf = remembered(({ mean, std, dtype, fill }: Transform): InputData[] =>
  fill.map((_, channel) => {
    const table = new ARRAYS[dtype](256);
    const m = Math.fround(mean[channel] ?? 0);
    const s = Math.fround(std[channel] ?? 1);
    for (let x = 0; x < 256; x++) {
      const value = Math.fround(Math.fround(Math.fround(x / 255) - m) / s);
      table[x] = dtype === 'uint8' ? x : dtype === 'float16' ? encodeFloat16(value) : value;
    }
    return table;
  }),
);

/**
 * Normalises cropped pixels and orders channels and axes. Grey pixels serve all channels of a colour input.
 * @throws TemperError USAGE if the pixels or `into` have another size than the transform's input
 */
export function toInput(image: Pixels, transform: Transform, into = allocateInput(transform)): InputData {
  const { crop, color, layout, dtype } = transform;
  const colors = CHANNELS[color];
  const isWhole = color !== 'rgba' || image.channels === 4;
  const fits = image.width === crop.width && image.height === crop.height && image.channels <= colors && isWhole;
  if (!fits || into.length !== inputLength(transform) || !(into instanceof ARRAYS[dtype])) {
    throw new TemperError(
      'USAGE',
      `transform: found ${image.width} x ${image.height} x ${image.channels} pixels and room for ${into.length} ` +
        `values, expected ${crop.width} x ${crop.height} x ${colors} and ${dtype}`,
      { hint: 'Apply the transform that the pixels and the array were made for.' },
    );
  }
  const area = crop.width * crop.height;
  const { data, channels } = image;
  const [red, green, blue, alpha] = tablesOf(transform) as [InputData, InputData, InputData, InputData?];
  if (color === 'grey') {
    for (let i = 0; i < area; i++) into[i] = red[data[i] as number] as number;
    return into;
  }
  const [plane, step] = layout === 'NCHW' ? [area, 1] : [1, colors];
  const [r, g, b] = color === 'bgr' ? [2 * plane, plane, 0] : [0, plane, 2 * plane];
  const [toGreen, toBlue] = channels === 1 ? [0, 0] : [1, 2];
  // All colours of a pixel at once: half the time of one colour after the other.
  for (let i = 0, p = 0, q = 0; i < area; i++, p += channels, q += step) {
    into[q + r] = red[data[p] as number] as number;
    into[q + g] = green[data[p + toGreen] as number] as number;
    into[q + b] = blue[data[p + toBlue] as number] as number;
    if (alpha) into[q + 3 * plane] = alpha[data[p + 3] as number] as number;
  }
  return into;
}
