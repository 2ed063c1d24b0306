import { resolveTransform, type Size, sizeText, type Transform } from '../../src/data/index.ts';

/** The resize target as the option gives it: its short side where the proportions are those of the size. */
function resizeWord({ crop, resize }: Transform): string {
  const short = Math.min(resize.height, resize.width);
  const { height, width }: Size = resolveTransform({ size: crop, resize: short }).resize;
  return height === resize.height && width === resize.width ? String(short) : `${resize.height}x${resize.width}`;
}

/** A transform as the options that give it, presets resolved: pasted behind a command they give the same input. */
export function transformWords(transform: Transform): string {
  const { resizeRule, interpolation, color, orientation, mean, std, fill, resampler, framing } = transform;
  // Raw pixels have no mean to say what a border is filled with.
  const raw = fill.every((value) => value === 0) ? ' --preset none' : '';
  const numbers = mean.length > 0 ? ` --mean ${mean.join(',')} --std ${std.join(',')}` : raw;
  const library = `${resampler ? ` --resampler ${resampler}` : ''}${framing ? ` --framing ${framing}` : ''}`;
  return (
    `--size ${sizeText(transform)} --resize ${resizeWord(transform)} --resize-rule ${resizeRule} ` +
    `--interpolation ${interpolation}${library}${numbers} --color ${color} --orientation ${orientation}`
  );
}

/** The same with what the model decides. */
export const transformText = (transform: Transform): string =>
  `${transformWords(transform)} (${transform.dtype} ${transform.layout})`;
