import type { AverageJob, Row } from '../average/index.ts';
import type { Model, WrittenModel } from '../onnx/index.ts';
import { carriedBy } from '../signature/index.ts';
import type { MeasuredImages } from './candidate-data.ts';
import type { OpenedSnapshots } from './ingredients.ts';

/**
 * Writes rows as averages are written: from the files, with what was measured for each.
 * @param paths one a row
 * @throws TemperError as averageFiles
 */
export async function writeAverages(
  { models, templateIndex, write }: OpenedSnapshots,
  rows: readonly Row[],
  paths: readonly string[],
  force: boolean,
  { images, ...measured }: Pick<AverageJob, 'given' | 'chosenBy'> & { readonly images: MeasuredImages | undefined },
): Promise<WrittenModel[]> {
  const carried = carriedBy(models, models[templateIndex] as Model, images?.transform, {
    names: images?.val.dataset.classes,
    choice: images?.choice,
  });
  const written = await write(rows, paths, force, { ...measured, carried });
  return written.map(({ path, bytes, sha256, data }) => ({ path, bytes, sha256, data }));
}
