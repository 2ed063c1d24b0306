/** A decoded image: 8-bit samples, rows from the top, channels interleaved ([height, width, channels], row-major). */
export interface Pixels {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** 1: grey; 3: red, green, blue; 4: red, green, blue, alpha, or four independent bands. */
  readonly channels: 1 | 3 | 4;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A rectangle in pixels, from the top left corner. */
export interface Box extends Size {
  readonly left: number;
  readonly top: number;
}

/**
 * Luma of RGB as Pillow's `convert('L')`: ITU-R 601-2, (299 R + 587 G + 114 B) / 1000 in 16-bit fixed point, rounded.
 * A grey image is returned as it is.
 */
export function toGrey(image: Pixels): Pixels {
  if (image.channels === 1) return image;
  const { data, width, height, channels } = image;
  const grey = new Uint8Array(width * height);
  for (let i = 0, p = 0; i < grey.length; i++, p += channels) {
    grey[i] = luma(data[p] as number, data[p + 1] as number, data[p + 2] as number);
  }
  return { data: grey, width, height, channels: 1 };
}

/** One pixel's luma, 0..255. The weights are those of Pillow's 16-bit fixed point; they sum to 65,536. */
export function luma(red: number, green: number, blue: number): number {
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
}

/** Repeats grey in three channels, as Pillow's `convert('RGB')`. A colour image is returned as it is. */
export function toRgb(image: Pixels): Pixels {
  if (image.channels === 3) return image;
  const { data, width, height, channels } = image;
  const rgb = new Uint8Array(width * height * 3);
  for (let p = 0, q = 0; q < rgb.length; p += channels, q += 3) {
    rgb[q] = data[p] as number;
    rgb[q + 1] = data[channels === 1 ? p : p + 1] as number;
    rgb[q + 2] = data[channels === 1 ? p : p + 2] as number;
  }
  return { data: rgb, width, height, channels: 3 };
}

/** Red, green, blue and alpha as Pillow's `convert('RGBA')`: what has no alpha is opaque. Four bands are returned as they are. */
export function toRgba(image: Pixels): Pixels {
  if (image.channels === 4) return image;
  const { data, width, height } = toRgb(image);
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let p = 0, q = 0; q < rgba.length; p += 3, q += 4) rgba.set(data.subarray(p, p + 3), q);
  return { data: rgba, width, height, channels: 4 };
}

/** Times alpha, as Pillow's `convert('RGBa')`: a colour that does not show must not bleed into its neighbours. */
export function premultiplied({ data, ...image }: Pixels): Pixels {
  const out = data.slice();
  for (let p = 0; p < out.length; p += 4) {
    const alpha = out[p + 3] as number;
    for (let c = p; c < p + 3; c++) {
      const product = (out[c] as number) * alpha + 128;
      out[c] = ((product >> 8) + product) >> 8;
    }
  }
  return { ...image, data: out };
}

/** The way back, as Pillow's `convert('RGBA')` of RGBa: the quotient cut, at most 255. */
export function unpremultiplied({ data, ...image }: Pixels): Pixels {
  const out = data.slice();
  for (let p = 0; p < out.length; p += 4) {
    const alpha = out[p + 3] as number;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = p; c < p + 3; c++) out[c] = Math.min(255, Math.floor((255 * (out[c] as number)) / alpha));
  }
  return { ...image, data: out };
}

/**
 * Uncalibrated CMYK (0 = no ink) to RGB as Pillow's `convert('RGB')`: with k' = 255 - K, each channel is
 * k' - C·k'/255, the quotient rounded by the shift-and-add form of division by 255.
 */
export function cmykToRgb(data: Uint8Array, width: number, height: number): Pixels {
  const rgb = new Uint8Array(width * height * 3);
  for (let p = 0, q = 0; q < rgb.length; p += 4, q += 3) {
    const white = 255 - (data[p + 3] as number);
    for (let c = 0; c < 3; c++) {
      const product = (data[p + c] as number) * white + 128;
      rgb[q + c] = white - (((product >> 8) + product) >> 8);
    }
  }
  return { data: rgb, width, height, channels: 3 };
}
