import type { Box, Size } from './pixels.ts';

/**
 * How a source becomes the resized image:
 * - short: the short side becomes the target, the other int(target · long / short): torchvision's Resize(int).
 *   For a target that is not square, both sides are at least the target: timm's ResizeKeepRatio(longest=0).
 * - long: the long side becomes the target's longer side, the other int(target · short / long).
 * - height: the height becomes the target, the width int(target · width / height): FixRes' transforms.
 * - squash: exactly the target, the aspect ratio is lost: timm's crop_mode 'squash', torchvision's Resize((h, w)).
 * - border: the whole picture fits into the target, rounded half to even: timm's crop_mode 'border'.
 */
export const RESIZE_RULES = ['short', 'long', 'height', 'squash', 'border'] as const;
export type ResizeRule = (typeof RESIZE_RULES)[number];

/** What happens to one image: it is resized, padded, then cropped. All in whole pixels. */
export interface Geometry {
  readonly source: Size;
  readonly resized: Size;
  readonly padding: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number };
  /** In the padded image. */
  readonly crop: Box;
}

/** Python's round(): half to even. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** A side never vanishes: where the references would fail (a 1 x 1000 picture), one pixel is kept. */
const side = (length: number): number => Math.max(1, length);

/** timm's ResizeKeepRatio: both sides divided by one ratio, that of the side that binds. */
function keepRatio(source: Size, target: Size, choose: (a: number, b: number) => number): Size {
  const ratio = choose(source.height / target.height, source.width / target.width);
  return {
    width: side(roundHalfEven(source.width / ratio)),
    height: side(roundHalfEven(source.height / ratio)),
  };
}

/** Integer products are exact and divided once in float64, as in Python. */
const scaled = (target: number, length: number, by: number): number => side(Math.trunc((target * length) / by));

const RULES: Readonly<Record<ResizeRule, (source: Size, target: Size) => Size>> = {
  short: (source, target) => {
    if (target.width !== target.height) return keepRatio(source, target, Math.min);
    const { width, height } = source;
    return width <= height
      ? { width: target.width, height: scaled(target.width, height, width) }
      : { width: scaled(target.height, width, height), height: target.height };
  },
  long: (source, target) => {
    const length = Math.max(target.width, target.height);
    const { width, height } = source;
    return width >= height
      ? { width: length, height: scaled(length, height, width) }
      : { width: scaled(length, width, height), height: length };
  },
  height: (source, target) => ({
    width: scaled(target.height, source.width, source.height),
    height: target.height,
  }),
  squash: (_source, target) => ({ width: target.width, height: target.height }),
  border: (source, target) => keepRatio(source, target, Math.max),
};

/**
 * torchvision's center_crop: an image smaller than the crop is padded to it first, the odd pixel right and below; the
 * offset is int(round((length - crop) / 2)), half to even.
 */
function centerAxis(length: number, crop: number): { before: number; after: number; offset: number } {
  const missing = crop - length;
  if (missing > 0) return { before: Math.floor(missing / 2), after: Math.floor((missing + 1) / 2), offset: 0 };
  return { before: 0, after: 0, offset: roundHalfEven((length - crop) / 2) };
}

/** The evaluation geometry of one image: resize by rule, then centre crop. Pure. */
export function planGeometry(source: Size, rule: ResizeRule, resize: Size, crop: Size): Geometry {
  const resized = RULES[rule](source, resize);
  const x = centerAxis(resized.width, crop.width);
  const y = centerAxis(resized.height, crop.height);
  return {
    source: { width: source.width, height: source.height },
    resized,
    padding: { left: x.before, top: y.before, right: x.after, bottom: y.after },
    crop: { left: x.offset, top: y.offset, width: crop.width, height: crop.height },
  };
}

/** Whether a side of the image was enlarged: a sweep says from which size on its images are. */
export function isEnlarged({ source, resized }: Geometry): boolean {
  return resized.width > source.width || resized.height > source.height;
}

export function isPadded({ padding }: Geometry): boolean {
  return padding.left + padding.top + padding.right + padding.bottom > 0;
}
