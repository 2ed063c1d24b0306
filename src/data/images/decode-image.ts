import { readFile } from 'node:fs/promises';
import type { Sharp, SharpOptions } from 'sharp';
import { otherKind, readError, TemperError } from '../../core/index.ts';
import { holdsCmyk, holdsTiff } from './image-header.ts';
import { oncePerProcess } from './once-per-process.ts';
import { cmykToRgb, type Pixels, type Size, toGrey, toRgb, toRgba } from './pixels.ts';

/** Twice Pillow's MAX_IMAGE_PIXELS, (1024³ / 4 / 3): above it Pillow raises DecompressionBombError. */
export const PIXEL_LIMIT = 178_956_970;

/** 'ignore': as stored but for TIFF, which is what torchvision's PIL loader sees. 'exif': upright, as ImageOps.exif_transpose. */
export const ORIENTATIONS = ['ignore', 'exif'] as const;
export type Orientation = (typeof ORIENTATIONS)[number];

export interface DecodeOptions {
  /** 'grey' is Pillow's convert('L'), 'rgba' its convert('RGBA'). Default 'rgb'. */
  readonly color?: 'rgb' | 'grey' | 'rgba';
  readonly orientation?: Orientation;
  /** Width times height; checked on the header, before memory is taken. Default PIXEL_LIMIT. */
  readonly pixelLimit?: number;
}

/** libvips' loaders that may see a file. SVG, PDF and the rest stay off: they draw, fetch or run code of their own. */
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Tiff', 'Heif'].map((name) => `VipsForeignLoad${name}`);

type SharpModule = (input: Uint8Array, options: SharpOptions) => Sharp;
let loaded: Promise<SharpModule> | undefined;

/** Loads libvips on first use: commands that decode nothing do not pay for it. */
export function loadSharp(): Promise<SharpModule> {
  loaded ??= import('sharp').then(({ default: sharp }) => {
    // One thread an image: several images in flight use the cores better (measured: more threads never helped).
    sharp.concurrency(1);
    // In every thread: loading sharp there has switched the cache on again, for all.
    sharp.cache(false);
    oncePerProcess(() => {
      // libvips' settings are the process's: between the two lines no other thread can decode anything.
      sharp.block({ operation: ['VipsForeignLoad'] });
      sharp.unblock({ operation: LOADERS });
    });
    return sharp;
  });
  return loaded;
}

/**
 * To be awaited before threads are started that decode. libvips' list of blocked loaders is the process's: a thread
 * that set it again would, for a moment, block the loaders that another one is using.
 */
export async function prepareDecoding(): Promise<void> {
  await loadSharp();
}

/**
 * Decodes to 8-bit pixels that equal Pillow's `Image.open(...).convert('RGB')` bit for bit for JPEG (baseline,
 * progressive, any subsampling, grey, CMYK, YCCK), PNG, GIF, WebP and TIFF. Colour profiles and gamma are ignored,
 * alpha is dropped (kept for 'rgba'), never blended. Of animations and multi-page files the first page is taken; the content decides the
 * format, not the file's name. AVIF is decoded too, which Pillow 9 does not.
 *
 * Otherwise than Pillow: 16-bit grey becomes its high byte (as 16-bit colour does), where Pillow 9 clips it to 255; in
 * GIF, transparent pixels are black.
 *
 * Memory: width · height · 3 bytes, 4 for CMYK.
 * @param path what error messages call the image
 * @throws TemperError UNSUPPORTED_IMAGE (BMP, ICO, PNM, TGA, JPEG XL, SVG, …, or no image at all); FORMAT_IMAGE
 * (truncated, corrupt); FORMAT_LIMIT (more than pixelLimit pixels)
 */
export async function decodeImage(bytes: Uint8Array, path: string, options: DecodeOptions = {}): Promise<Pixels> {
  const { color = 'rgb', orientation = 'ignore', pixelLimit = PIXEL_LIMIT } = options;
  if (bytes.length === 0) throw corrupt(path, 'the file is empty');
  const sharp = await loadSharp();
  try {
    // 'error', not sharp's 'warning': Pillow too accepts junk between JPEG segments, and refuses a wrong PNG checksum.
    const image = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: pixelLimit });
    const cmyk = holdsCmyk(bytes) ?? (await image.metadata()).space === 'cmyk';
    // Pillow turns TIFFs when it loads them, whoever asks; of other formats only ImageOps.exif_transpose does.
    if (orientation === 'exif' || holdsTiff(bytes)) image.autoOrient();
    if (cmyk) image.pipelineColourspace('cmyk').toColourspace('cmyk');
    else if (color === 'rgba') image.toColourspace('srgb').ensureAlpha();
    else image.toColourspace('srgb').removeAlpha();
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    const pixels = cmyk
      ? cmykToRgb(data, info.width, info.height)
      : { data: plain(data), width: info.width, height: info.height, channels: info.channels as Pixels['channels'] };
    return color === 'grey' ? toGrey(pixels) : color === 'rgba' ? toRgba(pixels) : toRgb(pixels);
  } catch (error) {
    if (!String(error).includes('exceeds pixel limit')) throw decodeError(path, bytes, error);
    const size = await sharp(bytes, { limitInputPixels: false })
      .metadata()
      .catch((unreadable: unknown) => Promise.reject(decodeError(path, bytes, unreadable)));
    throw tooLarge(path, size, pixelLimit);
  }
}

/**
 * Width and height by the header, upright where `decodeImage` turns the picture; no pixel is decoded.
 * @throws TemperError as decodeImage, for a header that cannot be read
 */
export async function imageSize(bytes: Uint8Array, path: string): Promise<Size> {
  if (bytes.length === 0) throw corrupt(path, 'the file is empty');
  const sharp = await loadSharp();
  try {
    const metadata = await sharp(bytes, { limitInputPixels: false }).metadata();
    return holdsTiff(bytes) ? metadata.autoOrient : { width: metadata.width, height: metadata.height };
  } catch (error) {
    throw decodeError(path, bytes, error);
  }
}

/**
 * Reads and decodes a file; see {@link decodeImage}.
 * @throws TemperError as decodeImage, and INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export async function decodeImageFile(path: string, options: DecodeOptions = {}): Promise<Pixels> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw readError(path, error);
  }
  return decodeImage(bytes, path, options);
}

/** The same bytes, not as a Buffer: its slice() would share memory. */
const plain = (data: Buffer): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.length);

function tooLarge(path: string, { width, height }: Size, limit: number): TemperError {
  return new TemperError(
    'FORMAT_LIMIT',
    `${path}: found ${width} x ${height} pixels, expected at most ${limit} (the limit against decompression bombs)`,
    { hint: 'Resize the image, or leave it out.', details: { path, width, height, limit } },
  );
}

function corrupt(path: string, what: string, cause?: unknown): TemperError {
  return new TemperError('FORMAT_IMAGE', `${path}: cannot decode the image: ${what}`, {
    hint: 'Copy the file again, or leave it out.',
    details: { path },
    cause,
  });
}

/** Kinds that are images: what is wrong with one is the decoder's to say. */
const IMAGES = ['png', 'jpeg', 'gif', 'webp', 'tiff'] as const;

function decodeError(path: string, bytes: Uint8Array, error: unknown): TemperError {
  if (error instanceof TemperError) return error;
  const what = error instanceof Error ? (error.message.split('\n')[0] as string) : String(error);
  if (!what.includes('unsupported image format')) return corrupt(path, what, error);
  const other = otherKind(path, bytes, 'an image', IMAGES);
  if (other) return new TemperError('FORMAT_IMAGE', other.message, { hint: other.hint as string, details: { path } });
  return new TemperError('UNSUPPORTED_IMAGE', `${path}: found no image in JPEG, PNG, WebP, GIF, TIFF or AVIF`, {
    hint: 'Convert the image to PNG or JPEG, or leave it out.',
    details: { path },
    cause: error,
  });
}
