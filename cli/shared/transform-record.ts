import { type Transform, transformHash } from '../../src/data/index.ts';
import type { FieldRow } from '../../src/report/index.ts';

const sizeText = ({ crop: { height, width } }: Transform): number | string =>
  height === width ? height : `${height}x${width}`;

/** A transform as fields of a row; all empty for numbers that were ready for the network. */
export function transformFields(transform: Transform | undefined): FieldRow {
  return {
    test_size: transform && sizeText(transform),
    resize_size: transform?.resize.height,
    crop_ratio: transform && transform.crop.height / transform.resize.height,
    resize_rule: transform?.resizeRule,
    interpolation: transform?.interpolation,
    mean: transform?.mean.join(','),
    std: transform?.std.join(','),
    color: transform?.color,
    orientation: transform?.orientation,
    transform_sha256: transform && transformHash(transform),
  };
}

/** A transform as the options that give it, presets resolved. */
export function transformText(transform: Transform): string {
  const { resize, resizeRule, interpolation, color, orientation, mean, std, dtype, layout } = transform;
  const short = Math.min(resize.height, resize.width);
  const numbers = mean.length > 0 ? ` --mean ${mean.join(',')} --std ${std.join(',')}` : '';
  return (
    `--size ${sizeText(transform)} --resize ${short} --resize-rule ${resizeRule} --interpolation ${interpolation}` +
    `${numbers} --color ${color} --orientation ${orientation} (${dtype} ${layout})`
  );
}
