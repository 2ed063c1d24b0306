import { controlOf, type JobControl } from '../core/index.ts';
import { findSnapshots, keysOf, type TemplateOptions, withModels } from '../snapshots/index.ts';
import { type AveragingOptions, type SnapshotOptions, type TensorOptions, tensorRules } from './averaging-options.ts';
import { compareSnapshots, type Diagnosis } from './compare-snapshots.ts';
import { areCheckpoints, assertModelOptions, planFiles } from './plan-files.ts';
import { withStates } from './states/average-states.ts';
import { chooseTemplate, planTensors } from './tensor-plan.ts';

export interface DiagnoseOptions extends SnapshotOptions, TensorOptions, TemplateOptions {}

/**
 * Shows how well snapshots belong together, before averaging them: distances from their mean, cosines between them, NaN and
 * Inf by tensor, and which tensors differ most. Of ONNX files, or of training checkpoints as they are; with a `template` of those of
 * their weights that the graph is made of, ONNX files of it among them.
 *
 * One pass over the snapshots and N²/2 scalar products, in float64. Memory: a block of each snapshot.
 * @throws TemperError USAGE, INPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*; the signal's reason
 * @example
 * const { warnings, snapshots } = await diagnose({ inputs: ['run/'] });
 * console.log(warnings, snapshots.map(({ path, median_cosine }) => [path, median_cosine]));
 */
export async function diagnose(options: DiagnoseOptions, control: JobControl = {}): Promise<Diagnosis> {
  const watched = controlOf(control);
  const { note, signal } = watched;
  const selection: SnapshotOptions & AveragingOptions = options;
  const found = findSnapshots(selection, note);
  if (areCheckpoints(found)) {
    return withStates(found, options, watched, async ({ tables, tensors: { tensors }, graph }) => {
      const keys = await graph?.(
        ({ prove }) => new Set(prove().entries.flatMap(({ expression }) => keysOf(expression))),
      );
      // Counters are no weights: snapshots that differ in them alone are alike.
      const weights = tensors.filter(({ type, name }) => type !== undefined && (keys?.has(name) ?? true));
      return compareSnapshots(tables, weights, signal);
    });
  }
  assertModelOptions(options);
  const plan = planFiles(found, selection, options.allowDuplicates ?? false, note);
  return withModels(
    plan.snapshots.map(({ file }) => file),
    async (models) => {
      const { tensors, notes } = planTensors(models, chooseTemplate(models), tensorRules(options));
      for (const text of notes) note(text);
      return compareSnapshots(models, tensors, signal);
    },
    plan.known,
  );
}
