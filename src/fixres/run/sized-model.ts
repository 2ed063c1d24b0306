import { type Size, sizeText } from '../../data/index.ts';
import type { Model } from '../../onnx/index.ts';
import { analyseSizes, freeSize, sizeVerdict } from '../../resolution/index.ts';
import { declaredInputs, modelInput } from '../../signature/index.ts';

export interface SizedModel {
  /** The file, or a copy whose image input takes any height and width. */
  readonly model: Model;
  /** Height and width that the file was fixed to; undefined if it is used as it is. */
  readonly freed: Size | undefined;
}

/** Any number of images serves: what varies between sizes is height and width. */
const ANY_BATCH = 2;

/**
 * A model that can be tuned at a size: a file that is fixed to another size as a copy with free dims, which is then what is
 * measured, tuned and written. Nodes whose constants were made for the file's own size are noted: such a graph runs, and may
 * mean something else.
 * Where a size cannot be run at all, the first pass says so.
 */
export function modelForSizes(
  file: Model,
  input: string | undefined,
  sizes: readonly Size[],
  note: (text: string) => void,
): SizedModel {
  const { name, layout, channels, fixed, batch } = modelInput(declaredInputs(file), input);
  if (!fixed || sizes.every(({ height, width }) => height === fixed.height && width === fixed.width)) {
    return { model: file, freed: undefined };
  }
  const model = freeSize(file, { input: name, layout, batch: batch !== undefined });
  note(`${file.path}: is fixed to ${fixed.height}x${fixed.width}; a copy that takes any size is tuned and written`);
  const planes = typeof channels === 'number' ? channels : 3;
  const dims = ({ height, width }: Size): number[] =>
    layout === 'NCHW' ? [ANY_BATCH, planes, height, width] : [ANY_BATCH, height, width, planes];
  const analysis = analyseSizes(model, name, dims(fixed));
  for (const size of sizes) {
    // A size that is none is refused where the transform is made.
    if (!(size.height > 0 && size.width > 0)) continue;
    const { verdict, reason } = sizeVerdict(analysis.at(dims(size)).findings, undefined);
    if (verdict !== 'safe') note(`${file.path} at ${sizeText({ crop: size })} is suspect: ${reason}`);
  }
  return { model, freed: fixed };
}
