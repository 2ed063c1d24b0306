import { sizeText, type Transform } from '../../src/data/index.ts';

/** A transform as the options that give it, presets resolved. */
export function transformText(transform: Transform): string {
  const { resize, resizeRule, interpolation, color, orientation, mean, std, dtype, layout, resampler, framing } =
    transform;
  const short = Math.min(resize.height, resize.width);
  const numbers = mean.length > 0 ? ` --mean ${mean.join(',')} --std ${std.join(',')}` : '';
  const library = `${resampler ? ` --resampler ${resampler}` : ''}${framing ? ` --framing ${framing}` : ''}`;
  return (
    `--size ${sizeText(transform)} --resize ${short} --resize-rule ${resizeRule} --interpolation ${interpolation}${library}` +
    `${numbers} --color ${color} --orientation ${orientation} (${dtype} ${layout})`
  );
}
