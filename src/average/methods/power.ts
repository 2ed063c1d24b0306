import { type Candidate, namesOf } from '../../snapshots/index.ts';
import { listOf, type PlanOptions, usageError } from '../plan/plan-options.ts';
import { increasingStepsOf, stepsOf } from '../plan/snapshot-steps.ts';
import type { LinearRow } from '../rows/row-terms.ts';
import { normalisedRow, sum } from '../rows/row-terms.ts';
import type { Method, MethodContext } from './method.ts';
import { gammaOf, leastSquaresWeights, MAX_SIGMA_REL, rawPowerWeights } from './power-profile.ts';

const isSigmaRel = (value: number) => value > 0 && value < MAX_SIGMA_REL;
const SIGMA_RANGE = 'a number between 0 and 0.2887 (1/√12, the uniform average)';

/** The profiles asked for, by row name. */
function targets(options: PlanOptions): { name: string; gamma: number }[] {
  const found = [
    ...listOf(options, 'sigmaRel', isSigmaRel, SIGMA_RANGE).map((s) => ({ name: `power_${s}`, gamma: gammaOf(s) })),
    ...listOf(options, 'gamma', (g) => g >= 0 && Number.isFinite(g), 'a number from 0 (the uniform average)').map(
      (gamma) => ({ name: `power_gamma${gamma}`, gamma }),
    ),
  ];
  if (found.length === 0)
    throw usageError('`method` power needs the width of the profile', 'Give `sigmaRel` 0.05,0.1,0.15, or `gamma`.');
  return found;
}

/** The width of the EMA that each snapshot is, or undefined when all are raw. */
function inputWidths(snapshots: readonly Candidate[], { inputSigmaRel }: PlanOptions): number[] | undefined {
  if (inputSigmaRel !== undefined && !isSigmaRel(inputSigmaRel))
    throw usageError(`\`inputSigmaRel\` is ${inputSigmaRel}, expected ${SIGMA_RANGE}`, `Give ${SIGMA_RANGE}.`);
  const raw = snapshots.filter(({ sigmaRel }) => sigmaRel === undefined);
  if (inputSigmaRel === undefined && raw.length === snapshots.length) return undefined;
  if (inputSigmaRel === undefined && raw.length > 0)
    throw usageError(
      `some snapshots are power-function EMAs by their names (-0.050), others are not: ${namesOf(raw)}`,
      'Select one kind with `pattern`, or declare the width of the others with `inputSigmaRel`.',
    );
  // Who says that these are EMAs says so of suffixes too.
  return snapshots.map(({ sigmaRel, suffix }) => {
    const width = sigmaRel ?? suffix;
    return width !== undefined && isSigmaRel(width) ? width : (inputSigmaRel as number);
  });
}

function rowsFromRaw({ snapshots, note }: MethodContext, options: PlanOptions): LinearRow[] {
  const { steps } = increasingStepsOf(snapshots, '`method` power');
  const [first, second = 2 * first] = steps;
  // the first interval is taken equal to the second, but no time lies before step 0
  const { t0 = Math.max(0, 2 * first - second) } = options;
  if (!(t0 >= 0 && (t0 < first || t0 === 0)))
    throw usageError(
      `\`t0\` is ${t0}, expected a step from 0 to below ${first}, the first snapshot's`,
      'Give the step at which the first interval starts: 0 for the start of training.',
    );
  if (steps.length === 1) return targets(options).map(({ name }) => normalisedRow(name, [1]));
  if (first === 0)
    note(`${namesOf(snapshots.slice(0, 1))} is at step 0, where a power function is 0: its coefficient is 0`);
  return targets(options).map(({ name, gamma }) => normalisedRow(name, rawPowerWeights(steps, gamma, t0)));
}

function rowsFromEmas({ snapshots }: MethodContext, options: PlanOptions, widths: readonly number[]): LinearRow[] {
  if (options.t0 !== undefined)
    throw usageError('`t0` has no use with snapshots that are power-function EMAs', 'Leave `t0` out.');
  const { steps } = stepsOf(snapshots, '`method` power');
  const atZero = snapshots.filter(({ step }) => step === 0);
  if (atZero.length > 0)
    throw usageError(`${namesOf(atZero)} is at step 0, where no EMA has begun`, 'Leave it out with `start` 1.');
  const newest = Math.max(...steps);
  // scaled to the newest step, so that the matrix does not depend on the unit of time
  const profiles = steps.map((step, i) => ({ step: step / newest, gamma: gammaOf(widths[i] as number) }));
  const same = profiles.findIndex(({ step, gamma }, i) =>
    profiles.slice(0, i).some((other) => other.step === step && other.gamma === gamma),
  );
  if (same >= 0)
    throw usageError(
      `${snapshots[same]?.name} has the step and width of a snapshot before it`,
      'Give each step and width once.',
    );
  return targets(options).map(({ name, gamma }) => {
    const solution = leastSquaresWeights(profiles, { step: 1, gamma });
    const total = sum(solution ?? []);
    if (!solution || !Number.isFinite(total) || total === 0)
      throw usageError(
        `${name}: the snapshots' profiles are too alike to be told apart in float64`,
        'Leave snapshots of nearly the same step and width out.',
      );
    return normalisedRow(name, solution);
  });
}

/**
 * Power-function EMAs (post-hoc EMA), one row for each `sigmaRel` and `gamma`: in closed form from raw snapshots, by
 * least squares from snapshots that are power-function EMAs themselves.
 * @throws USAGE for values out of range, no value, names without steps, steps that do not grow
 */
export const power: Method = {
  summary: 'power-function EMA, chosen after training (EDM2)',
  source:
    'Karras et al., Analyzing and Improving the Training Dynamics of Diffusion Models, arXiv 2312.02696, Eq. 123, 127, 151, Alg. 2, 3',
  options: ['sigmaRel', 'gamma', 't0', 'inputSigmaRel'],
  impliedBy: ['sigmaRel', 'gamma'],
  rows: (context, options) => {
    const widths = inputWidths(context.snapshots, options);
    return widths ? rowsFromEmas(context, options, widths) : rowsFromRaw(context, options);
  },
};
