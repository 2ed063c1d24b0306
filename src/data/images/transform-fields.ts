import type { FieldRow } from '../../core/index.ts';
import { type Transform, transformHash } from './transform.ts';

/** A transform's input size as records give it: pixels, HxW where it is no square. */
export const sizeText = ({ crop: { height, width } }: Pick<Transform, 'crop'>): number | string =>
  height === width ? height : `${height}x${width}`;

/** A transform as fields of a row; all empty for numbers that were ready for the network. */
export function transformFields(transform: Transform | undefined): FieldRow {
  return {
    test_size: transform && sizeText(transform),
    resize_size: transform?.resize.height,
    crop_ratio: transform && transform.crop.height / transform.resize.height,
    resize_rule: transform?.resizeRule,
    // Pillow's goes without saying; the framing is in the hash.
    interpolation: transform && [transform.resampler, transform.interpolation].filter(Boolean).join(' '),
    mean: transform?.mean.join(','),
    std: transform?.std.join(','),
    color: transform?.color,
    orientation: transform?.orientation,
    transform_sha256: transform && transformHash(transform),
  };
}
