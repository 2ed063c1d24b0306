import { TemperError } from '../core/index.ts';
import type { BatchMoments } from './collect-moments.ts';
import type { Statistics } from './statistics.ts';

export const ESTIMATORS = ['population', 'torch'] as const;
export type EstimatorName = (typeof ESTIMATORS)[number];

/** Folds batches, in batch order, into statistics. */
export interface Estimator {
  add(batch: BatchMoments): void;
  /** Per layer. @throws TemperError INPUT_TOO_FEW without batches */
  result(): { readonly statistics: Statistics; readonly count: number }[];
}

interface LayerFold {
  count: number;
  batches: number;
  readonly mean: Float64Array;
  /** population: Σ (x − mean)²; torch: the mean of unbiased batch variances. */
  readonly spread: Float64Array;
}

type Fold = (layer: LayerFold, count: number, mean: ArrayLike<number>, variance: ArrayLike<number>) => void;

/**
 * Population statistics by merging moments (Chan, Golub, LeVeque 1979, eq. 2.1): every value counts once, whatever the
 * batches. The variance is biased, as ONNX defines it (BatchNormalization-14: "population variance"); this is fvcore's
 * `_PopulationVarianceEstimator` (Wu and Johnson 2021, arXiv 2105.07576).
 */
const population: Fold = (layer, count, mean, variance) => {
  const total = layer.count + count;
  for (let c = 0; c < layer.mean.length; c++) {
    const delta = (mean[c] as number) - (layer.mean[c] as number);
    layer.mean[c] = (layer.mean[c] as number) + (delta * count) / total;
    layer.spread[c] =
      (layer.spread[c] as number) + count * (variance[c] as number) + (delta * delta * layer.count * count) / total;
  }
};

/**
 * What torch.optim.swa_utils.update_bn leaves: the cumulative average, every batch weighted alike, of batch means and of
 * unbiased batch variances.
 */
const torch: Fold = (layer, count, mean, variance) => {
  if (count < 2) {
    throw new TemperError('INPUT_TOO_FEW', `a batch has ${count} value per channel, the unbiased variance needs 2`, {
      hint: 'Use a larger --batch, or --estimator population.',
    });
  }
  const k = layer.batches + 1;
  const bessel = count / (count - 1);
  for (let c = 0; c < layer.mean.length; c++) {
    layer.mean[c] = (layer.mean[c] as number) + ((mean[c] as number) - (layer.mean[c] as number)) / k;
    layer.spread[c] =
      (layer.spread[c] as number) + (bessel * (variance[c] as number) - (layer.spread[c] as number)) / k;
  }
};

const FOLDS: Readonly<Record<EstimatorName, Fold>> = { population, torch };

/** Memory: two float64 per channel, however many batches. */
export function estimator(name: EstimatorName, channels: readonly number[]): Estimator {
  const layers = channels.map(
    (n): LayerFold => ({ count: 0, batches: 0, mean: new Float64Array(n), spread: new Float64Array(n) }),
  );
  return {
    add(batch) {
      for (const [i, { count, mean, variance }] of batch.layers.entries()) {
        const layer = layers[i] as LayerFold;
        FOLDS[name](layer, count, mean, variance);
        layer.count += count;
        layer.batches++;
      }
    },
    result() {
      return layers.map(({ count, mean, spread }) => {
        if (count === 0) {
          throw new TemperError('INPUT_TOO_FEW', 'no image was seen', {
            hint: 'Check --data, --rows, --samples and --shard.',
          });
        }
        return {
          statistics: { mean, variance: name === 'population' ? spread.map((m2) => m2 / count) : spread },
          count,
        };
      });
    },
  };
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
