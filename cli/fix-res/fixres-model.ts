import type { Model } from '../../src/onnx/index.ts';
import { analyseSizes, freeSize, sizeVerdict } from '../../src/resolution/index.ts';
import { declaredInputs } from '../shared/model-inputs.ts';
import { modelInput } from '../shared/transform-options.ts';

export interface SizedModel {
  /** The file, or a copy whose image input takes any height and width. */
  readonly model: Model;
  /** Height and width that the file was fixed to; undefined if it is used as it is. */
  readonly freed: { readonly height: number; readonly width: number } | undefined;
}

/** Any number of images serves: what varies between sizes is height and width. */
const ANY_BATCH = 2;

/**
 * A model that can be tuned at a size: a file that is fixed to another size as a copy with free dims, which is then what is
 * measured, tuned and written. Nodes whose constants were made for the file's own size are noted: such a graph runs, and may
 * mean something else.
 * Where a size cannot be run at all, the first pass says so.
 * @param sizes asked for, as `--size` takes them
 */
export function modelForSizes(
  file: Model,
  inputName: string | undefined,
  sizes: readonly string[],
  say: (text: string) => void,
): SizedModel {
  const { name, layout, channels, fixed, batch } = modelInput(declaredInputs(file), inputName);
  const asked = sizes.map((size) => {
    const [height = Number.NaN, width = height] = size.split('x').map(Number);
    return { size, height, width };
  });
  if (!fixed || asked.every(({ height, width }) => height === fixed.height && width === fixed.width)) {
    return { model: file, freed: undefined };
  }
  const model = freeSize(file, { input: name, layout, batch: batch !== undefined });
  say(`${file.path}: is fixed to ${fixed.height}x${fixed.width}; a copy that takes any size is tuned and written`);
  const count = typeof channels === 'number' ? channels : 3;
  const dims = (height: number, width: number): number[] =>
    layout === 'NCHW' ? [ANY_BATCH, count, height, width] : [ANY_BATCH, height, width, count];
  const analysis = analyseSizes(model, name, dims(fixed.height, fixed.width));
  for (const { size, height, width } of asked) {
    // A size that is no number is refused where the transform is made.
    if (!(height > 0 && width > 0)) continue;
    const { findings } = analysis.at(dims(height, width));
    const { verdict, reason } = sizeVerdict(findings, undefined);
    if (verdict !== 'safe') say(`${file.path} at ${size} is suspect: ${reason}`);
  }
  return { model, freed: fixed };
}

/** Height and width that a file is fixed to, as `--size` takes them. */
export function fixedSize(file: Model, inputName: string | undefined): string | undefined {
  const { fixed } = modelInput(declaredInputs(file), inputName);
  return fixed && (fixed.height === fixed.width ? String(fixed.height) : `${fixed.height}x${fixed.width}`);
}
