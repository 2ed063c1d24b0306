import { controlOf, type JobControl } from '../core/index.ts';
import { withModels } from '../snapshots/index.ts';
import { type AveragingOptions, type SnapshotOptions, type TensorOptions, tensorRules } from './averaging-options.ts';
import { compareSnapshots, type Diagnosis } from './compare-snapshots.ts';
import { planSnapshots } from './plan-files.ts';
import { chooseTemplate, planTensors } from './tensor-plan.ts';

export interface DiagnoseOptions extends SnapshotOptions, TensorOptions {}

/**
 * Shows how well snapshots belong together, before averaging them: distances from their mean, cosines between them, NaN and
 * Inf by tensor, and which tensors differ most.
 *
 * One pass over the snapshots and N²/2 scalar products, in float64. Memory: a block of each snapshot.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*; the signal's reason
 * @example
 * const { warnings, snapshots } = await diagnose({ inputs: ['run/'] });
 * console.log(warnings, snapshots.map(({ path, median_cosine }) => [path, median_cosine]));
 */
export async function diagnose(options: DiagnoseOptions, control: JobControl = {}): Promise<Diagnosis> {
  const { note, signal } = controlOf(control);
  const selection: SnapshotOptions & AveragingOptions = options;
  const plan = planSnapshots(selection, note);
  return withModels(
    plan.snapshots.map(({ file }) => file),
    async (models) => {
      const { tensors, notes } = planTensors(models, chooseTemplate(models), tensorRules(options));
      for (const text of notes) note(text);
      return compareSnapshots(models, tensors, signal);
    },
  );
}
