import { type AverageJob, averageFiles, type Row } from '../average/index.ts';
import { version } from '../core/index.ts';
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
  { models, plan, templateIndex, tensors, rules, ingredients: { allowNonfinite, signal } }: OpenedSnapshots,
  rows: readonly Row[],
  paths: readonly string[],
  force: boolean,
  { images, ...measured }: Pick<AverageJob, 'given' | 'chosenBy'> & { readonly images: MeasuredImages | undefined },
): Promise<WrittenModel[]> {
  const template = models[templateIndex] as Model;
  const carried = carriedBy(models, template, images?.transform, images?.val.dataset.classes);
  const steps = plan.snapshots.map(({ step }) => step);
  const job = {
    models,
    steps,
    templateIndex,
    plan: tensors,
    rules,
    rows,
    dtype: undefined,
    version,
    carried,
    ...measured,
  };
  const written = await averageFiles({ ...job, allowNonfinite, signal }, paths, force);
  return written.map(({ path, bytes, sha256, data }) => ({ path, bytes, sha256, data }));
}
