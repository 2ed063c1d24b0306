import { combineMoments, emptyMoments, momentsOfBatch, populationVariance, TemperError } from '../core/index.ts';
import type { BatchMoments, LayerMoments } from './collect-moments.ts';
import type { Statistics } from './statistics.ts';

export const ESTIMATORS = ['population', 'torch'] as const;
export type EstimatorName = (typeof ESTIMATORS)[number];

/** Folds batches, in batch order, into statistics. */
export interface Estimator {
  add(batch: BatchMoments): void;
  /** Per layer; without values for one that never ran. @throws TemperError INPUT_TOO_FEW without batches */
  result(): Estimated[];
}

export interface Estimated {
  readonly statistics: Statistics;
  /** Values per channel. */
  readonly count: number;
}

/** Folds the moments of one layer. */
interface LayerFold {
  readonly count: number;
  add(moments: LayerMoments): void;
  statistics(): Statistics;
}

/**
 * Population statistics by merging moments: every value counts once, whatever the batches. The variance is biased, as ONNX
 * defines it (BatchNormalization-14: "population variance"); this is fvcore's `_PopulationVarianceEstimator` (Wu and
 * Johnson 2021, arXiv 2105.07576).
 */
function population(channels: number): LayerFold {
  let total = emptyMoments(channels);
  return {
    get count() {
      return total.count;
    },
    add({ count, mean, variance }) {
      total = combineMoments(total, momentsOfBatch(count, mean, variance));
    },
    // Of a branch that was never taken: nothing yet.
    statistics: () => ({ mean: total.mean, variance: total.count === 0 ? total.m2 : populationVariance(total) }),
  };
}

/**
 * What torch.optim.swa_utils.update_bn leaves: the cumulative average, every batch weighted alike, of batch means and of
 * unbiased batch variances.
 */
function torch(channels: number): LayerFold {
  const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)];
  let [batches, values] = [0, 0];
  return {
    get count() {
      return values;
    },
    add(batch) {
      if (batch.count === 0) return;
      if (batch.count < 2) {
        throw new TemperError(
          'INPUT_TOO_FEW',
          `a batch has ${batch.count} value per channel, the unbiased variance needs 2`,
          {
            hint: 'Use a larger `batch`, or `estimator` population.',
          },
        );
      }
      const bessel = batch.count / (batch.count - 1);
      batches++;
      values += batch.count;
      for (let c = 0; c < channels; c++) {
        mean[c] = (mean[c] as number) + ((batch.mean[c] as number) - (mean[c] as number)) / batches;
        variance[c] =
          (variance[c] as number) + (bessel * (batch.variance[c] as number) - (variance[c] as number)) / batches;
      }
    },
    statistics: () => ({ mean, variance }),
  };
}

const FOLDS: Readonly<Record<EstimatorName, (channels: number) => LayerFold>> = { population, torch };

/** Memory: two float64 per channel, however many batches. */
export function estimator(name: EstimatorName, channels: readonly number[]): Estimator {
  const layers = channels.map(FOLDS[name]);
  return {
    add(batch) {
      for (const [i, moments] of batch.layers.entries()) layers[i]?.add(moments);
    },
    result() {
      if (layers.some(({ count }) => count > 0))
        return layers.map((layer) => ({ statistics: layer.statistics(), count: layer.count }));
      throw new TemperError('INPUT_TOO_FEW', 'no image was seen', {
        hint: 'Check `data`, `rows`, `samples` and `shard`.',
      });
    },
  };
}

/** Statistics of the values of several layers together: of calls that share them, each of which `name` has estimated. */
export function pooled(name: EstimatorName, parts: readonly Estimated[]): Estimated {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const seen = parts.filter((part) => part.count > 0);
  const [only] = seen;
  if (only && seen.length === 1) return only;
  if (name === 'population') {
    const all = seen
      .map((part) => momentsOfBatch(part.count, part.statistics.mean, part.statistics.variance))
      .reduce(combineMoments);
    return { statistics: { mean: all.mean, variance: populationVariance(all) }, count };
  }
  // Each call is a step of the cumulative average, as each is an update in training.
  const average = (of: (statistics: Statistics) => Float64Array): Float64Array =>
    of((only as Estimated).statistics).map(
      (_, c) => seen.reduce((sum, { statistics }) => sum + (of(statistics)[c] as number), 0) / seen.length,
    );
  return { statistics: { mean: average(({ mean }) => mean), variance: average(({ variance }) => variance) }, count };
}

/**
 * Blends new statistics with those in the file: N/(N+n)·old + n/(N+n)·new for n images (Schneider et al. 2020, "Improving
 * robustness against common corruptions by covariate shift adaptation", eq. 3). N = 0 is the new ones.
 */
export function blend(old: Statistics, fresh: Statistics, prior: number, images: number): Statistics {
  if (prior === 0) return fresh;
  const share = prior / (prior + images);
  const mix = (a: Float64Array, b: Float64Array): Float64Array =>
    a.map((value, c) => share * value + (1 - share) * (b[c] as number));
  return { mean: mix(old.mean, fresh.mean), variance: mix(old.variance, fresh.variance) };
}
