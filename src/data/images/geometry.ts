import type { Box, Size } from './pixels.ts';

/**
 * How a source becomes the resized image:
 * - short: the short side becomes the target, the other int(target · long / short): torchvision's Resize(int).
 *   For a target that is not square, both sides are at least the target: timm's ResizeKeepRatio(longest=0).
 * - long: the long side becomes the target's longer side, the other int(target · short / long).
 * - bounded: the short side becomes the target's height, but the long side at most the target's width: transformers'
 *   get_size_with_aspect_ratio(size, max_size), DETR's shortest_edge with longest_edge.
 * - height: the height becomes the target, the width int(target · width / height): FixRes' transforms.
 * - squash: exactly the target, the aspect ratio is lost: timm's crop_mode 'squash', torchvision's Resize((h, w)).
 * - border: the whole picture fits into the target, rounded half to even: timm's crop_mode 'border'.
 * - inner: a centred part of the source is cut out, crop / target of its short side wide and high, and becomes exactly the
 *   crop: TensorFlow's crop padding (target = size + 32), and transformers' Perceiver.
 * - keep: the picture is not resized, only cropped.
 */
export const RESIZE_RULES = ['short', 'long', 'bounded', 'height', 'squash', 'border', 'inner', 'keep'] as const;
export type ResizeRule = (typeof RESIZE_RULES)[number];

/**
 * Whose centre is meant where a margin is odd:
 * - torchvision: offset round(margin / 2), half to even; of padding, the odd pixel right and below.
 * - transformers: offset floor(margin / 2); of padding, the odd pixel left and above (image_transforms.center_crop).
 * - tensorflow: offset floor((margin + 1) / 2), with lengths in float32 (timm's tf_preprocessing.py).
 * - corner: the top left corner stays, all padding is right and below (transformers' `pad`).
 */
export const FRAMINGS = ['torchvision', 'transformers', 'tensorflow', 'corner'] as const;
export type Framing = (typeof FRAMINGS)[number];

/** What of a transform decides the geometry. */
export interface Frame {
  readonly resizeRule: ResizeRule;
  /** The target of the resize rule, in pixels. */
  readonly resize: Size;
  /** The network's input, in pixels. */
  readonly crop: Size;
  /** Absent: torchvision. */
  readonly framing?: Exclude<Framing, 'torchvision'>;
}

/** What happens to one image: it is resized, padded, then cropped. All in whole pixels. */
export interface Geometry {
  readonly source: Size;
  /** The part of the source that is resized: the whole, but for rule `inner`. */
  readonly part: Box;
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

/** In the order of transformers' float64 operations; a short side that has its length already leaves the picture as it is. */
function bounded({ width, height }: Size, { height: shortest, width: longest }: Size): Size {
  const [short, long] = width <= height ? [width, height] : [height, width];
  const isBound = (long / short) * shortest > longest;
  const exact = isBound ? (longest * short) / long : shortest;
  const newShort = isBound ? roundHalfEven(exact) : shortest;
  if (newShort === short) return { width, height };
  const sides = [side(newShort), scaled(exact, long, short)] as const;
  return width < height ? { width: sides[0], height: sides[1] } : { width: sides[1], height: sides[0] };
}

const RULES: Readonly<Record<Exclude<ResizeRule, 'inner'>, (source: Size, target: Size) => Size>> = {
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
  bounded,
  height: (source, target) => ({
    width: scaled(target.height, source.width, source.height),
    height: target.height,
  }),
  squash: (_source, target) => ({ width: target.width, height: target.height }),
  border: (source, target) => keepRatio(source, target, Math.max),
  keep: ({ width, height }) => ({ width, height }),
};

interface Centre {
  /** Pixels before an image that is padded by `missing`. */
  readonly before: (missing: number) => number;
  /** Where the crop of an image begins that is longer by `margin`. */
  readonly offset: (margin: number) => number;
  /** The length of the part that rule `inner` cuts out. */
  readonly inner: (crop: number, target: number, short: number) => number;
}

const half = (length: number): number => Math.floor(length / 2);
const inner: Centre['inner'] = (crop, target, short) => Math.trunc((crop / target) * short);

const CENTRES: Readonly<Record<Framing, Centre>> = {
  torchvision: { before: half, offset: (margin) => roundHalfEven(margin / 2), inner },
  transformers: { before: (missing) => Math.ceil(missing / 2), offset: half, inner },
  tensorflow: {
    before: half,
    offset: (margin) => half(margin + 1),
    inner: (crop, target, short) => Math.trunc(Math.fround(Math.fround(crop / target) * short)),
  },
  corner: { before: () => 0, offset: () => 0, inner },
};

/** An image smaller than the crop is padded to it first, one that is larger is cropped. */
function centerAxis(
  length: number,
  crop: number,
  { before, offset }: Centre,
): { before: number; after: number; offset: number } {
  const missing = crop - length;
  if (missing > 0) return { before: before(missing), after: missing - before(missing), offset: 0 };
  return { before: 0, after: 0, offset: offset(-missing) };
}

function innerPart(source: Size, { resize, crop }: Frame, centre: Centre): Box {
  const short = Math.min(source.width, source.height);
  const lengthOf = (name: keyof Size): number =>
    Math.min(source[name], side(centre.inner(crop[name], resize[name], short)));
  const [width, height] = [lengthOf('width'), lengthOf('height')];
  return { left: centre.offset(source.width - width), top: centre.offset(source.height - height), width, height };
}

/** The evaluation geometry of one image: resize by rule, then centre crop. Pure. */
export function planGeometry(source: Size, frame: Frame): Geometry {
  const { resizeRule, resize, crop, framing = 'torchvision' } = frame;
  const centre = CENTRES[framing];
  const { width, height } = source;
  const isInner = resizeRule === 'inner';
  const resized = isInner ? { width: crop.width, height: crop.height } : RULES[resizeRule](source, resize);
  const x = centerAxis(resized.width, crop.width, centre);
  const y = centerAxis(resized.height, crop.height, centre);
  return {
    source: { width, height },
    part: isInner ? innerPart(source, frame, centre) : { left: 0, top: 0, width, height },
    resized,
    padding: { left: x.before, top: y.before, right: x.after, bottom: y.after },
    crop: { left: x.offset, top: y.offset, width: crop.width, height: crop.height },
  };
}

/** Whether a side of the image was enlarged: a sweep says from which size on its images are. */
export function isEnlarged({ part, resized }: Geometry): boolean {
  return resized.width > part.width || resized.height > part.height;
}

export function isPadded({ padding }: Geometry): boolean {
  return padding.left + padding.top + padding.right + padding.bottom > 0;
}
