import { type Size, sizeText } from '../../data/index.ts';
import type { Model } from '../../onnx/index.ts';
import { analyseSizes, openFreed, sizeVerdict } from '../../resolution/index.ts';
import type { RuntimeOptions } from '../../runtime/index.ts';
import { declaredInputs, imageDims, modelInput } from '../../signature/index.ts';

export interface SizedModel {
  /** The file, or a copy whose image input takes any height and width. */
  readonly model: Model;
  /** Height and width that the file was fixed to; undefined if it is used as it is. */
  readonly freed: Size | undefined;
}

/** Any number of images serves: what varies between sizes is height and width. */
const ANY_BATCH = 2;

/**
 * A model that can be tuned at a size: a file that is fixed to another size as a copy with free dims, checked at the file's own
 * size, which is then what is measured, tuned and written. Nodes whose constants were made for the file's own size are noted:
 * such a graph runs, and may mean something else.
 * Where a size cannot be run at all, the first pass says so.
 */
export async function modelForSizes(
  file: Model,
  options: RuntimeOptions,
  sizes: readonly Size[],
  note: (text: string) => void,
): Promise<SizedModel> {
  const input = modelInput(declaredInputs(file), options.input);
  const { name, fixed } = input;
  if (!fixed || sizes.every(({ height, width }) => height === fixed.height && width === fixed.width)) {
    return { model: file, freed: undefined };
  }
  const { model, session, doubt } = await openFreed(file, options);
  await session.close();
  note(`${file.path}: is fixed to ${fixed.height}x${fixed.width}; a copy that takes any size is tuned and written`);
  if (doubt !== undefined) note(`${file.path}: ${doubt}`);
  const analysis = analyseSizes(model, name, imageDims(input, ANY_BATCH, fixed));
  for (const size of sizes) {
    // A size that is none is refused where the transform is made.
    if (!(size.height > 0 && size.width > 0)) continue;
    const { verdict, reason } = sizeVerdict(analysis.at(imageDims(input, ANY_BATCH, size)).findings, undefined);
    if (verdict !== 'safe') note(`${file.path} at ${sizeText({ crop: size })} is suspect: ${reason}`);
  }
  return { model, freed: fixed };
}
