import { TemperError } from '../../core/index.ts';
import { cropPixels, type InputData, inColor, resizeInColor, toInput } from '../images/apply-transform.ts';
import { type Geometry, planGeometry, roundHalfEven } from '../images/geometry.ts';
import type { Box, Pixels, Size } from '../images/pixels.ts';
import type { Transform } from '../images/transform.ts';
import { colorJitter, JITTER_OPS, type JitterOp, type JitterStep } from './color-jitter.ts';

/** Which random changes a training view has; what is absent is not done. */
export interface AugmentOptions {
  /** torchvision's RandomResizedCrop. Absent: the evaluation geometry of the transform. */
  readonly randomResizedCrop?: {
    /** Share of the source's area, [0.08, 1] by default. */
    readonly scale?: readonly [number, number];
    /** Width over height, [3/4, 4/3] by default; drawn log-uniformly. */
    readonly ratio?: readonly [number, number];
  };
  /** Probability of a horizontal flip. */
  readonly flip?: number;
  /** Half-widths: a factor is uniform in [max(0, 1 - value), 1 + value]. The order of operations is drawn too. */
  readonly colorJitter?: Partial<Readonly<Record<JitterOp, number>>>;
  /**
   * FixRes' fine-tuning crop: the evaluation crop moved sideways by up to the whole margin, either way. Not with
   * randomResizedCrop.
   */
  readonly shiftedCrop?: boolean;
}

/** One view, fully determined: stored beside what was computed from it, so that it can be replayed. Plain JSON. */
export interface ViewRecord {
  /** In pixels of the source; null: the evaluation geometry. */
  readonly crop: Box | null;
  readonly flip: boolean;
  readonly jitter: readonly JitterStep[];
  /** Share of the left margin by which the evaluation crop moves, in (-1, 1): left where negative. Absent: not moved. */
  readonly shift?: number;
}

/** torchvision's defaults. */
const SCALE = [0.08, 1] as const;
const RATIO = [3 / 4, 4 / 3] as const;
const TRIES = 10;

/** Uniform in [0, 1). */
export type Draw = () => number;

/**
 * Draws a view's parameters. Pure but for `draw`, which is called in this order: per try of the crop area, ratio and
 * (if it fits) top and left; flip; the order of the jitter operations; their factors; how far and which way the crop moves.
 * Absent parts draw nothing.
 * @throws TemperError USAGE
 */
export function drawView(options: AugmentOptions, source: Size, draw: Draw): ViewRecord {
  checkAugment(options);
  const { randomResizedCrop, flip, colorJitter: jitter, shiftedCrop } = options;
  return {
    crop: randomResizedCrop
      ? drawCrop(source, randomResizedCrop.scale ?? SCALE, randomResizedCrop.ratio ?? RATIO, draw)
      : null,
    flip: flip !== undefined && draw() < flip,
    jitter: jitter ? drawJitter(jitter, draw) : [],
    ...(shiftedCrop ? { shift: draw() * (draw() < 0.5 ? 1 : -1) } : {}),
  };
}

const uniform = (low: number, high: number, draw: Draw): number => low + (high - low) * draw();

/** RandomResizedCrop.get_params of torchvision 0.14, in float64: ten tries, then the largest centred crop in ratio. */
function drawCrop(source: Size, scale: readonly [number, number], ratio: readonly [number, number], draw: Draw): Box {
  const { width, height } = source;
  for (let tried = 0; tried < TRIES; tried++) {
    const area = width * height * uniform(...scale, draw);
    const aspect = Math.exp(uniform(Math.log(ratio[0]), Math.log(ratio[1]), draw));
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = Math.floor(draw() * (height - h + 1));
    const left = Math.floor(draw() * (width - w + 1));
    return { left, top, width: w, height: h };
  }
  const found = width / height;
  const w = found > ratio[1] ? Math.max(1, roundHalfEven(height * ratio[1])) : width;
  const h = found < ratio[0] ? Math.max(1, roundHalfEven(width / ratio[0])) : height;
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}

function drawJitter(halfWidths: Partial<Readonly<Record<JitterOp, number>>>, draw: Draw): JitterStep[] {
  const ops = JITTER_OPS.filter((op) => (halfWidths[op] ?? 0) > 0);
  // Fisher-Yates, from the end.
  for (let i = ops.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [ops[i], ops[j]] = [ops[j] as JitterOp, ops[i] as JitterOp];
  }
  return ops.map((op) => {
    const by = halfWidths[op] as number;
    // The enhancement is computed in float32: what is recorded is what is applied.
    return { op, factor: Math.fround(uniform(Math.max(0, 1 - by), 1 + by, draw)) };
  });
}

function checkAugment({ randomResizedCrop, flip, colorJitter: jitter, shiftedCrop }: AugmentOptions): void {
  const { scale = SCALE, ratio = RATIO } = randomResizedCrop ?? {};
  const ordered = ([low, high]: readonly [number, number]): boolean => low > 0 && low <= high && high < Infinity;
  const halfWidths = Object.values(jitter ?? {});
  const problems = [
    ordered(scale) && scale[1] <= 1 ? '' : `scale: found ${scale.join(',')}, expected 0 < a <= b <= 1`,
    ordered(ratio) ? '' : `ratio: found ${ratio.join(',')}, expected 0 < a <= b`,
    flip === undefined || (flip >= 0 && flip <= 1) ? '' : `flip: found ${flip}, expected a probability`,
    randomResizedCrop && shiftedCrop ? 'a random resized crop cannot be a shifted one' : '',
    halfWidths.every((by) => by >= 0 && by < Infinity) ? '' : `jitter: found ${halfWidths.join(',')}, expected >= 0`,
  ].filter(Boolean);
  if (problems.length === 0) return;
  throw new TemperError('USAGE', `augment: ${problems.join('; ')}`, { hint: 'Correct the view options.' });
}

/** The 8-bit pixels of a view: crop, resize, flip, jitter. */
export function viewPixels(image: Pixels, { crop, flip, jitter, shift }: ViewRecord, transform: Transform): Pixels {
  const { crop: size, color } = transform;
  const source = inColor(image, color);
  const cropped = crop
    ? resizeInColor(source, transform, { size, crop })
    : cropPixels(source, transform, shifted(planGeometry(source, transform), shift));
  return colorJitter(flip ? flipHorizontally(cropped) : cropped, jitter);
}

/** Moves the crop by a share of its left offset j: 0 to j whole pixels, all equally likely, as the reference draws them. */
function shifted(geometry: Geometry, shift = 0): Geometry {
  const { resized, crop } = geometry;
  const by = Math.sign(shift) * Math.floor(Math.abs(shift) * (crop.left + 1));
  // Where the margin is odd, the right one may be a pixel narrower.
  const left = Math.max(0, Math.min(crop.left + by, resized.width - crop.width));
  return crop.left === 0 ? geometry : { ...geometry, crop: { ...crop, left } };
}

/**
 * Replays a view: the network's input for a record, as drawn or as stored.
 * @param into as for applyTransform
 * @throws TemperError USAGE if the record's crop does not lie in the image
 */
export function applyView(image: Pixels, record: ViewRecord, transform: Transform, into?: InputData): InputData {
  return toInput(viewPixels(image, record, transform), transform, into);
}

function flipHorizontally(image: Pixels): Pixels {
  const { data, width, height, channels } = image;
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    const row = y * width * channels;
    for (let x = 0; x < width; x++) {
      const p = row + x * channels;
      const q = row + (width - 1 - x) * channels;
      for (let c = 0; c < channels; c++) out[q + c] = data[p + c] as number;
    }
  }
  return { ...image, data: out };
}
