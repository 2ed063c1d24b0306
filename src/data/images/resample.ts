import { TemperError } from '../../core/index.ts';
import type { Box, Pixels, Size } from './pixels.ts';
import { filterAxis, nearestAxis, type PillowFilter } from './resample-kernels.ts';
import { type Axes, horizontalPass, type Rows, rowsOf, verticalPass } from './resample-passes.ts';
import { hasVectors, resampleRgb } from './resample-simd.ts';

export interface ResampleOptions {
  readonly interpolation: PillowFilter;
  /** The size of the whole result. */
  readonly size: Size;
  /** The part of the result that is computed and returned; the whole if absent. Must lie inside `size`. */
  readonly window?: Box;
  /** Crops first, to whole pixels: samples outside have no influence, as in torchvision's resized_crop. */
  readonly crop?: Box;
  /**
   * The part of the (cropped) source that maps to the result: [left, top, right, bottom], fractions allowed, kept as
   * float32. Samples outside do have influence, as with Pillow's `box`.
   */
  readonly box?: readonly [number, number, number, number];
}

/** Between the passes; kept, since a data set asks for the same size again and again. */
let scratch = new Uint8ClampedArray(0);

function scratchOf(length: number): Uint8ClampedArray {
  if (scratch.length < length) scratch = new Uint8ClampedArray(length);
  return scratch.subarray(0, length);
}

/**
 * Resizes as Pillow's `Image.resize`, bit for bit: separable filter, support widened when reducing (antialiased),
 * fixed-point coefficients, rounded to 8 bits after the horizontal pass and after the vertical one. Channels are
 * independent: RGBA is not premultiplied (Pillow's `RGBA` is, its `CMYK` is not).
 *
 * Memory: the result, and the rows between the passes. Only what the window needs is computed.
 * @throws TemperError USAGE if a size, window, crop or box is empty or reaches outside
 */
export function resample(image: Pixels, options: ResampleOptions): Pixels {
  const { size, interpolation } = options;
  const crop = options.crop ?? { left: 0, top: 0, width: image.width, height: image.height };
  const window = options.window ?? { left: 0, top: 0, width: size.width, height: size.height };
  const [left, top, right, bottom] = (options.box ?? [0, 0, crop.width, crop.height]).map(Math.fround) as [
    number,
    number,
    number,
    number,
  ];
  requireInside('crop', crop, image);
  requireInside('window', window, size);
  requireInside('box', { left, top, width: right - left, height: bottom - top }, crop);
  const { channels } = image;
  const columns = [window.left, window.left + window.width] as const;
  const lines = [window.top, window.top + window.height] as const;
  const offset = (crop.top * image.width + crop.left) * channels;
  const source = rowsOf(image.data, offset, image.width * channels);
  const same = (from: number, to: number, length: number, outLength: number): boolean =>
    from === 0 && to === outLength && length === outLength;
  const keepsWidth = same(left, right, crop.width, size.width);
  const keepsHeight = same(top, bottom, crop.height, size.height);
  if (interpolation === 'nearest' || (keepsWidth && keepsHeight)) {
    const xs = nearestAxis(left, right, size.width, columns);
    return {
      data: pick(source, xs, nearestAxis(top, bottom, size.height, lines), channels),
      ...sizeOf(window),
      channels,
    };
  }
  const x = keepsWidth ? undefined : filterAxis(interpolation, crop.width, left, right, size.width, columns);
  const y = keepsHeight ? undefined : filterAxis(interpolation, crop.height, top, bottom, size.height, lines);
  const from = fromSample(source, (x ? 0 : window.left * channels) + (y ? 0 : window.top * source.stride));
  const filter = channels === 3 && hasVectors() ? resampleRgb : resampleBands;
  return { data: bytesOf(filter(from, { x, y }, sizeOf(window), channels)), ...sizeOf(window), channels };
}

/** As resampleRgb, for any number of channels. */
function resampleBands(from: Rows, { x, y }: Axes, { width, height }: Size, channels: number): Uint8ClampedArray {
  const rowBytes = width * channels;
  const out = new Uint8ClampedArray(height * rowBytes);
  const firstRow = y?.first[0] ?? 0;
  if (y && x) {
    const rows = (y.first.at(-1) as number) + (y.used.at(-1) as number) - firstRow;
    const between = scratchOf(rows * rowBytes);
    horizontalPass(fromSample(from, firstRow * from.stride), x, rows, channels, between);
    verticalPass(rowsOf(bytesOf(between), 0, rowBytes), y, firstRow, rowBytes, out);
  } else if (y) {
    verticalPass(from, y, 0, rowBytes, out);
  } else if (x) {
    horizontalPass(from, x, height, channels, out);
  }
  return out;
}

function bytesOf(clamped: Uint8ClampedArray): Uint8Array {
  return new Uint8Array(clamped.buffer, clamped.byteOffset, clamped.length);
}

const sizeOf = ({ width, height }: Size): Size => ({ width, height });

function fromSample(rows: Rows, sample: number): Rows {
  return { ...rows, offset: rows.offset + sample };
}

function pick(from: Rows, xs: Int32Array, ys: Int32Array, channels: number): Uint8Array {
  const to = new Uint8Array(xs.length * ys.length * channels);
  let q = 0;
  for (const y of ys) {
    const row = from.offset + y * from.stride;
    for (const x of xs) {
      for (let c = 0; c < channels; c++) to[q++] = from.data[row + x * channels + c] as number;
    }
  }
  return to;
}

function requireInside(name: string, { left, top, width, height }: Box, outer: Size): void {
  const inside = left >= 0 && top >= 0 && left + width <= outer.width && top + height <= outer.height;
  if (inside && width > 0 && height > 0) return;
  throw new TemperError(
    'USAGE',
    `resize: ${name} ${width} x ${height} at (${left}, ${top}), expected a part of ${outer.width} x ${outer.height}`,
    { hint: 'Give a size of at least 1 x 1, and boxes inside the image.', details: { name } },
  );
}
