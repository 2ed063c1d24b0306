/** Markers without a length: TEM and RST0 to RST7 (ITU-T T.81, table B.1). */
const isBare = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);
/** SOF0 to SOF15, without DHT, JPG and DAC, which lie among them. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
const START_OF_SCAN = 0xda;
const END_OF_IMAGE = 0xd9;

/** Number of components of a JPEG, by its first frame header; undefined if there is none before the first scan. */
function jpegComponents(bytes: Uint8Array): number | undefined {
  let at = 2;
  while (at + 9 < bytes.length) {
    // As libjpeg: what lies between two segments is skipped, and 0xff may be repeated.
    const marker = bytes[at + 1] as number;
    if (bytes[at] !== 0xff || marker === 0xff || marker === 0) {
      at++;
    } else if (isFrame(marker)) {
      // 0xff, marker, length (2), precision (1), height (2), width (2), components (1).
      return bytes[at + 9];
    } else if (marker === START_OF_SCAN || marker === END_OF_IMAGE) {
      return undefined;
    } else {
      at += isBare(marker) ? 2 : 2 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
    }
  }
  return undefined;
}

const SIGNATURES = {
  png: [0x89, 0x50, 0x4e, 0x47],
  gif: [0x47, 0x49, 0x46, 0x38],
  webp: [0x52, 0x49, 0x46, 0x46],
  jpeg: [0xff, 0xd8, 0xff],
  tiff: [0x49, 0x49, 0x2a, 0x00],
  tiffBig: [0x4d, 0x4d, 0x00, 0x2a],
} as const;

const startsWith = (bytes: Uint8Array, signature: readonly number[]): boolean =>
  signature.every((byte, i) => bytes[i] === byte);

/**
 * Whether an image file holds CMYK, by its first bytes: the one thing that must be known before it is decoded. PNG, GIF
 * and WebP never do; a JPEG does if it has four components. Undefined where the decoder has to be asked.
 */
export function holdsCmyk(bytes: Uint8Array): boolean | undefined {
  if ([SIGNATURES.png, SIGNATURES.gif, SIGNATURES.webp].some((one) => startsWith(bytes, one))) return false;
  if (!startsWith(bytes, SIGNATURES.jpeg)) return undefined;
  const components = jpegComponents(bytes);
  return components === undefined ? undefined : components === 4;
}

/** Whether an image file is a TIFF, little-endian or big-endian. */
export const holdsTiff = (bytes: Uint8Array): boolean =>
  startsWith(bytes, SIGNATURES.tiff) || startsWith(bytes, SIGNATURES.tiffBig);
