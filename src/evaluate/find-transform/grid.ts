import { type Interpolation, resolveTransform, type Size, type Transform, transformHash } from '../../data/index.ts';

/** What networks are fed, of pixels from 0 to 1: published values of frameworks and families. The second value is of one grey channel. */
const VALUES: readonly (readonly [mean: readonly number[], std: readonly number[]])[] = [
  // ImageNet's: torchvision, most of timm. The mean of the three for grey, as timm.
  [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ],
  // -1 to 1: Inception, TensorFlow's "tf" mode, BiT, ViT.
  [[0.5], [0.5]],
  // 0 to 1.
  [[0], [1]],
  // 0 to 255.
  [[0], [1 / 255]],
  // 0 to 255 without ImageNet's mean: Caffe, Keras' "caffe" mode.
  [[0.485, 0.456, 0.406], [1 / 255]],
  // CLIP (OpenAI).
  [
    [0.48145466, 0.4578275, 0.40821073],
    [0.26862954, 0.26130258, 0.27577711],
  ],
  // CIFAR-10.
  [
    [0.4914, 0.4822, 0.4465],
    [0.247, 0.2435, 0.2616],
  ],
];
/** Of grey networks alone: MNIST and Fashion-MNIST. */
const GREY_VALUES = [
  [[0.1307], [0.3081]],
  [[0.286], [0.353]],
] as const satisfies typeof VALUES;

const CROP_RATIOS = [0.875, 0.9, 0.95, 1] as const;
const FILTERS = ['bilinear', 'bicubic'] as const satisfies readonly Interpolation[];
const COMMON_SIZE = 224;

/** ImageNet's of one grey channel, the mean of three: what stands for a default that grey networks do not have. */
export const GREY_IMAGENET = { mean: [0.449], std: [0.226] } as const;

/** The first of those that are equal. */
export function distinct(transforms: readonly Transform[]): Transform[] {
  return [...new Map(transforms.map((transform) => [transformHash(transform), transform])).values()];
}

/** Mean or deviation for the channels of an input; grey has the mean of three. */
function perChannel(values: readonly number[], channels: number): number[] {
  if (channels === 1) return [values.reduce((sum, value) => sum + value, 0) / values.length];
  return Array.from({ length: channels }, (_, channel) => values[channel % values.length] as number);
}

/** A transform in other geometry; nothing is padded, and Pillow resizes, as nearly everywhere. */
function reframed(
  { resampler: _resampler, framing: _framing, ...base }: Transform,
  more: Pick<Transform, 'resizeRule' | 'resize' | 'crop'>,
): Transform {
  const interpolation = base.interpolation === 'bicubic' ? 'bicubic' : 'bilinear';
  return { ...base, ...more, interpolation, fill: base.fill.map(() => 0) };
}

/** The values and the order of colours that a network may want, everything else as given. Raw 8-bit pixels have their order alone. */
export function valueGrid(given: Transform): Transform[] {
  // Nothing is published of alpha.
  if (given.color === 'rgba') return [given];
  const colors = given.color === 'grey' ? (['grey'] as const) : (['rgb', 'bgr'] as const);
  const channels = given.color === 'grey' ? 1 : 3;
  const published = channels === 1 ? [...VALUES, ...GREY_VALUES] : VALUES;
  const values: readonly Pick<Transform, 'mean' | 'std'>[] =
    given.dtype === 'uint8'
      ? [given]
      : [
          given,
          ...published.map(([mean, std]) => ({ mean: perChannel(mean, channels), std: perChannel(std, channels) })),
        ];
  return distinct(values.flatMap(({ mean, std }) => colors.map((color) => ({ ...given, mean, std, color }))));
}

/** Sizes near the given one that a network of open size may want. */
export function sizeGrid({ crop }: Transform): Size[] {
  const scaled = (factor: number): Size => ({
    height: Math.round(crop.height * factor),
    width: Math.round(crop.width * factor),
  });
  const common = COMMON_SIZE / Math.min(crop.height, crop.width);
  const factors = [7 / 8, 8 / 7, ...(common > 2 / 3 && common < 3 / 2 ? [common] : [])];
  const sizes = factors.map(scaled).filter(({ height, width }) => height > 0 && width > 0);
  return [...new Map(sizes.map((size) => [`${size.height}x${size.width}`, size])).values()];
}

/** Margins and sizes with the values of a transform, and itself. */
export function geometryGrid(base: Transform, sizes: readonly Size[]): Transform[] {
  const framed = sizes.flatMap((crop) => [
    ...CROP_RATIOS.map((cropRatio) =>
      reframed(base, { resizeRule: 'short', resize: resolveTransform({ size: crop, cropRatio }).resize, crop }),
    ),
    reframed(base, { resizeRule: 'squash', resize: crop, crop }),
  ]);
  return distinct([base, ...framed]);
}

/** A transform, and the same with the other usual filter. */
export const filterGrid = (base: Transform): Transform[] =>
  distinct([
    base,
    ...FILTERS.filter((interpolation) => base.resampler === undefined && interpolation !== base.interpolation).map(
      (interpolation) => ({ ...base, interpolation }),
    ),
  ]);
