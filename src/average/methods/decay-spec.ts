import type { Candidate } from '../../snapshots/index.ts';
import { type HalfLife, listOf, type PlanOptions, usageError } from '../plan/plan-options.ts';
import { increasingStepsOf } from '../plan/snapshot-steps.ts';

/** d and 1 − d, kept apart because 1 − d cancels for a d near 1. */
export interface Decay {
  readonly keep: number;
  readonly take: number;
}

/** One decay that the user asked for: per snapshot, or by the steps or epochs between snapshots. */
export interface DecaySpec {
  /** The row's name. */
  readonly name: string;
  readonly option: 'decay' | 'decayPerStep' | 'halfLife';
  readonly unit: 'snapshot' | 'step' | 'epoch';
  /** The decay over an interval in `unit`. */
  readonly over: (interval: number) => Decay;
}

const exponential = (logKeep: number): Decay => ({ keep: Math.exp(logKeep), take: -Math.expm1(logKeep) });

const perSnapshot = (d: number): DecaySpec => ({
  name: `ema_${d}`,
  option: 'decay',
  unit: 'snapshot',
  over: () => ({ keep: d, take: 1 - d }),
});

const perStep = (d: number): DecaySpec => ({
  name: `ema_step${d}`,
  option: 'decayPerStep',
  unit: 'step',
  over: (interval) => exponential(interval * Math.log(d)),
});

const valueAndUnit = (halfLife: HalfLife): [value: number, unit: DecaySpec['unit']] =>
  typeof halfLife === 'number'
    ? [halfLife, 'snapshot']
    : 'steps' in halfLife
      ? [halfLife.steps, 'step']
      : [halfLife.epochs, 'epoch'];

function byHalfLife(given: HalfLife): DecaySpec {
  const [halfLife, unit] = valueAndUnit(given);
  if (!(halfLife > 0 && Number.isFinite(halfLife)))
    throw usageError(
      `\`halfLife\` is ${halfLife}${unit === 'snapshot' ? '' : ` ${unit}s`}, expected a number greater than 0`,
      'For example 5 snapshots, 5000 steps, or 3 epochs.',
    );
  return {
    name: `ema_hl${halfLife}${unit === 'snapshot' ? '' : `${unit}s`}`,
    option: 'halfLife',
    unit,
    over: (interval) => exponential((-Math.LN2 * interval) / halfLife),
  };
}

/**
 * @throws USAGE for values out of range or given twice, for none at all, and for a `stepsPerEpoch` without use.
 */
export function decaySpecs(options: PlanOptions): DecaySpec[] {
  const specs = [
    ...listOf(options, 'decay', (d) => d >= 0 && d < 1, 'a number from 0 to below 1').map(perSnapshot),
    ...listOf(options, 'decayPerStep', (d) => d > 0 && d < 1, 'a number between 0 and 1').map(perStep),
    ...(options.halfLife ?? []).map(byHalfLife),
  ];
  if (specs.length === 0)
    throw usageError(
      '`method` ema needs a decay; there is no default, as the right one depends on how far apart the snapshots are',
      'Give `halfLife` 5 (a snapshot counts half as much as the fifth after it), `decay` 0.9 (per snapshot), or `decayPerStep` 0.9998 (as in training).',
    );
  const twice = specs.find(({ name }, index) => specs.findIndex((other) => other.name === name) !== index);
  if (twice) throw usageError(`\`${twice.option}\` has one value twice (${twice.name})`, 'Give each value once.');
  const { stepsPerEpoch } = options;
  if (stepsPerEpoch === undefined) return specs;
  if (!(stepsPerEpoch > 0 && Number.isFinite(stepsPerEpoch)))
    throw usageError(`\`stepsPerEpoch\` is ${stepsPerEpoch}, expected a number above 0`, 'Give a positive number.');
  if (specs.every(({ unit }) => unit === 'snapshot'))
    throw usageError(
      '`stepsPerEpoch` has no use here: the decays given count snapshots',
      'Leave it out, or use `decayPerStep` or a `halfLife` in steps or epochs.',
    );
  return specs;
}

/**
 * What the numbers in the names count. Names that do not say are read in the one way that makes sense of the options:
 * in the decay's own unit, or in the other one when `stepsPerEpoch` is there to convert.
 */
function countedUnit(
  snapshots: readonly Candidate[],
  specs: readonly DecaySpec[],
  stepsPerEpoch: number | undefined,
  note: (text: string) => void,
): 'step' | 'epoch' {
  const named = snapshots.find(({ unit }) => unit !== 'unknown')?.unit;
  if (named === 'epoch' || named === 'step') return named;
  const wanted = new Set(specs.map(({ unit }) => unit).filter((unit) => unit !== 'snapshot'));
  if (wanted.size > 1)
    throw usageError(
      `names such as ${snapshots[0]?.name} say neither epoch nor step, and the decays are given in both`,
      'Give the decays in one unit, or rename the snapshots (epoch_14.onnx, step_5000.onnx).',
    );
  const counted = wanted.has('step') === (stepsPerEpoch === undefined) ? 'step' : 'epoch';
  note(`the numbers in the names are taken as ${counted}s: the names say neither epoch nor step`);
  return counted;
}

/**
 * A function that gives the interval before each snapshot in the unit of a spec; before the first it is taken equal to the second.
 * @throws USAGE when steps are needed and the names hold none that grow, or `stepsPerEpoch` is needed and missing.
 */
export function intervals(
  snapshots: readonly Candidate[],
  specs: readonly DecaySpec[],
  stepsPerEpoch: number | undefined,
  note: (text: string) => void,
): (spec: DecaySpec) => number[] {
  const timed = specs.find(({ unit }) => unit !== 'snapshot');
  const steps = timed ? increasingStepsOf(snapshots, `\`${timed.option}\``).steps : undefined;
  const counted = timed ? countedUnit(snapshots, specs, stepsPerEpoch, note) : undefined;
  return ({ unit, option }) => {
    if (unit === 'snapshot' || steps === undefined) return snapshots.map(() => 1);
    if (unit !== counted && stepsPerEpoch === undefined)
      throw usageError(
        `\`${option}\` counts ${unit}s, the snapshots' names count ${counted}s`,
        'Give `stepsPerEpoch`, the number of optimizer steps in one epoch.',
      );
    const factor = unit === counted ? 1 : unit === 'step' ? (stepsPerEpoch ?? 1) : 1 / (stepsPerEpoch ?? 1);
    const [first, second = first + 1] = steps;
    return steps.map((step, index) => (index === 0 ? second - first : step - (steps[index - 1] as number)) * factor);
  };
}
