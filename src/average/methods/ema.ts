import { normalisedRow } from '../rows/row-terms.ts';
import { type Decay, decaySpecs, intervals } from './decay-spec.ts';
import type { Method } from './method.ts';

/** When `decay` leaves more than this from the first snapshot to the last, it is hardly meant per snapshot. */
const NEARLY_UNIFORM = 0.9;

/** The decay of the first snapshot with which the recursion starts from it. */
const START: Decay = { keep: 0, take: 1 };

/** ModelEmaV3's warm-up (gamma 1, power 2/3): d_i = min(d, 1 − (1+i)^(−2/3)), i = 0 for the first. */
function warmedUp({ keep, take }: Decay, index: number): Decay {
  const leastTake = (1 + index) ** (-2 / 3);
  return { keep: Math.min(keep, 1 - leastTake), take: Math.max(take, leastTake) };
}

/**
 * w_i = (1 − d_i)·Π_{j>i} d_j, from the newest back, so that products only fade and Σw is at least 1 − d_n. Divided by
 * Σw this is the bias-corrected EMA (started at zero); with d_1 = 0 it is the recursion that starts from the first.
 */
function emaWeights(decays: readonly Decay[]): number[] {
  const weights: number[] = [];
  let product = 1;
  for (const { keep, take } of decays.toReversed()) {
    weights.push(take * product);
    product *= keep;
  }
  return weights.reverse();
}

/**
 * Exponential moving averages, one row for each `decay`, `decayPerStep` and `halfLife`.
 * @throws USAGE for values out of range, no value, or names without the steps that an option needs.
 */
export const ema: Method = {
  summary: 'exponential moving average, bias-corrected unless `fromFirst` or `warmup`',
  source:
    'timm ModelEmaV3 (recursion, warm-up), optax (bias correction); per step d^(t_i − t_{i−1}), half-life 2^(−Δt/h)',
  options: ['decay', 'decayPerStep', 'stepsPerEpoch', 'halfLife', 'warmup', 'fromFirst'],
  impliedBy: ['decay', 'decayPerStep', 'halfLife'],
  rows: ({ snapshots, note }, options) => {
    const specs = decaySpecs(options);
    const start = options.warmup ? '_warmup' : options.fromFirst ? '_from_first' : '';
    const intervalsOf = intervals(snapshots, specs, options.stepsPerEpoch, note);
    return specs.map((spec) => {
      const decays = intervalsOf(spec).map((interval, index) => {
        const decay = spec.over(interval);
        if (options.warmup) return warmedUp(decay, index);
        return options.fromFirst && index === 0 ? START : decay;
      });
      const kept = decays.slice(1).reduce((product, { keep }) => product * keep, 1);
      if (spec.option === 'decay' && decays.length > 1 && kept > NEARLY_UNIFORM) {
        const effect = options.fromFirst
          ? `the first snapshot keeps ${kept.toFixed(3)} of the weight`
          : `nearly a uniform average of ${decays.length} snapshots`;
        note(`${spec.name}: ${effect}; is it the decay per training step? Then use \`decayPerStep\``);
      }
      return normalisedRow(spec.name + start, emaWeights(decays));
    });
  },
};
