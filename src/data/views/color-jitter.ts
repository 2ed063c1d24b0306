import { luma, type Pixels } from '../images/pixels.ts';

/** torchvision's ColorJitter without hue. */
export const JITTER_OPS = ['brightness', 'contrast', 'saturation'] as const;
export type JitterOp = (typeof JITTER_OPS)[number];

export interface JitterStep {
  readonly op: JitterOp;
  /** 1 changes nothing; 0 is black, flat grey, or grey levels. */
  readonly factor: number;
}

/**
 * Applies enhancements in order, each rounded to 8 bits, as Pillow's ImageEnhance.Brightness, Contrast and Color:
 * a blend of the image with black, with its mean luma, or with its own luma.
 */
export function colorJitter(image: Pixels, steps: readonly JitterStep[]): Pixels {
  const jittered = steps.reduce((pixels, { op, factor }) => ENHANCE[op](pixels, Math.fround(factor)), image);
  return image.channels === 4 ? withAlpha(jittered, image) : jittered;
}

/** Pillow's enhancements leave alpha as it is. */
function withAlpha({ data, ...image }: Pixels, { data: source }: Pixels): Pixels {
  const out = data.slice();
  for (let p = 3; p < out.length; p += 4) out[p] = source[p] as number;
  return { ...image, data: out };
}

const ENHANCE: Readonly<Record<JitterOp, (image: Pixels, factor: number) => Pixels>> = {
  brightness: (image, factor) => mapLevels(image, (level) => blend(0, level, factor)),
  contrast: (image, factor) => {
    const mean = Math.trunc(meanLuma(image) + 0.5);
    return mapLevels(image, (level) => blend(mean, level, factor));
  },
  saturation: (image, factor) => {
    if (image.channels === 1) return image;
    const { data, channels } = image;
    const out = new Uint8Array(data.length);
    for (let p = 0; p < data.length; p += channels) {
      const grey = luma(data[p] as number, data[p + 1] as number, data[p + 2] as number);
      for (let c = p; c < p + channels; c++) out[c] = blend(grey, data[c] as number, factor);
    }
    return { ...image, data: out };
  },
};

/**
 * Pillow's Image.blend: from + factor · (to - from) with both operations rounded to float32, truncated, and clipped
 * where the factor extrapolates.
 */
function blend(from: number, to: number, factor: number): number {
  const value = Math.fround(from + Math.fround(factor * (to - from)));
  return Math.trunc(Math.max(0, Math.min(value, 255)));
}

function mapLevels(image: Pixels, level: (value: number) => number): Pixels {
  const table = Uint8Array.from({ length: 256 }, (_, value) => level(value));
  return { ...image, data: image.data.map((value) => table[value] as number) };
}

/** Sums of 8-bit luma are exact, so that the mean is Pillow's ImageStat of the grey image. */
function meanLuma({ data, width, height, channels }: Pixels): number {
  let sum = 0;
  for (let p = 0; p < data.length; p += channels) {
    sum += channels === 1 ? (data[p] as number) : luma(data[p] as number, data[p + 1] as number, data[p + 2] as number);
  }
  return sum / (width * height);
}
