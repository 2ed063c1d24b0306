import { type Candidate, namesOf, type StepUnit } from '../../snapshots/index.ts';
import { usageError } from './plan-options.ts';

/**
 * The steps of the snapshots, of one unit, in plan order; `why` names the option that needs them.
 * @throws USAGE when a name holds no step, or some count epochs and others steps.
 */
export function stepsOf(snapshots: readonly Candidate[], why: string): { steps: number[]; unit: StepUnit } {
  const without = snapshots.filter(({ step }) => step === undefined);
  if (without.length > 0)
    throw usageError(
      `${why} needs the step in every snapshot's name: none in ${namesOf(without)}`,
      'Rename these (epoch_14.onnx, step_5000.onnx), or leave them out with `pattern`.',
    );
  const epoch = snapshots.find(({ unit }) => unit === 'epoch');
  const step = snapshots.find(({ unit }) => unit === 'step');
  if (epoch && step)
    throw usageError(
      `${why} needs one unit: ${epoch.name} counts epochs, ${step.name} steps`,
      'Select one kind with `pattern`.',
    );
  return {
    steps: snapshots.flatMap((snapshot) => snapshot.step ?? []),
    unit: (epoch ?? step)?.unit ?? 'unknown',
  };
}

/**
 * As stepsOf, and each step greater than the one before it.
 * @throws USAGE as stepsOf, and for a step that does not grow.
 */
export function increasingStepsOf(
  snapshots: readonly Candidate[],
  why: string,
): { steps: [number, ...number[]]; unit: StepUnit } {
  const { steps, unit } = stepsOf(snapshots, why);
  const [first, ...rest] = steps;
  if (first === undefined) throw new RangeError('no snapshots');
  const at = rest.findIndex((step, index) => step <= (steps[index] as number));
  if (at >= 0)
    throw usageError(
      `${why} needs strictly increasing steps: ${namesOf(snapshots.slice(at, at + 2))} have ${steps[at]} and ${steps[at + 1]}`,
      'The step is the number after a word (epoch_14, step=5000), else the last number in the name. Select snapshots of one run with `pattern`, in natural order.',
    );
  return { steps: [first, ...rest], unit };
}
