import type { Ran } from '../../batchnorm/index.ts';
import { combineMoments, emptyMoments, type Moments, populationVariance, TemperError } from '../../core/index.ts';
import type { Model } from '../../onnx/index.ts';
import type { Tensor } from '../../runtime/index.ts';
import type { Cut } from '../cut/cut.ts';
import { type CollectOptions, runBackbone } from './collect-features.ts';
import { asFloat32 } from './feature-cache.ts';
import type { TrainState } from './train.ts';

/** Moments of each channel of [N, C, …], in float64: the mean first, then squared deviations from it. */
function channelMoments(values: Float32Array, dims: readonly number[]): Moments {
  const [n = 0, channels = 0, ...rest] = dims;
  const positions = rest.reduce((product, size) => product * size, 1);
  const [mean, m2] = [new Float64Array(channels), new Float64Array(channels)];
  const count = n * positions;
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const start = (i * channels + c) * positions;
      for (let p = start; p < start + positions; p++) sum += values[p] as number;
    }
    const centre = sum / count;
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const start = (i * channels + c) * positions;
      for (let p = start; p < start + positions; p++) squares += ((values[p] as number) - centre) ** 2;
    }
    mean[c] = centre;
    m2[c] = squares;
  }
  return { count, mean, m2 };
}

/**
 * Population moments of the input of the last layer over a data set: every value counts once.
 * @throws TemperError NUMERIC_NONFINITE, EXECUTION_*, INPUT_TOO_FEW
 */
export async function layerMoments(
  model: Model,
  { tail: { norm } }: Cut,
  options: CollectOptions,
): Promise<{ moments: Moments; ran: Ran }> {
  if (!norm) throw new Error('the cut has no layer');
  let total = emptyMoments(norm.channels);
  const ran = await runBackbone(model, [norm.input], options, (outputs, rows) => {
    const tensor = outputs[norm.input] as Tensor;
    if (tensor.dims[0] !== rows || tensor.dims[1] !== norm.channels) {
      throw new TemperError(
        'UNSUPPORTED_GRAPH',
        `${model.path}: ${norm.input} is [${tensor.dims.join(', ')}], expected [${rows}, ${norm.channels}, …]`,
        { hint: 'Tune the classifier alone: `mode` fc.' },
      );
    }
    total = combineMoments(total, channelMoments(asFloat32(tensor, norm.input), tensor.dims));
  });
  if (![...total.mean, ...total.m2].every(Number.isFinite)) {
    throw new TemperError('NUMERIC_NONFINITE', `${model.path}: ${norm.input} holds NaN or infinities`, {
      hint: 'Check the weights (avg-ckpt diagnose finds NaN) and the normalisation of the input.',
    });
  }
  return { moments: total, ran };
}

/** Makes moments the stored statistics of the layer: mode `stats`. */
export function setStatistics(state: TrainState, { tail: { norm } }: Cut, moments: Moments): void {
  if (!norm) throw new Error('the cut has no layer');
  state.parameters.get(norm.mean)?.set(moments.mean);
  state.parameters.get(norm.variance)?.set(populationVariance(moments));
}

/**
 * Gives a folded layer the parameters that it may have had: mean and variance are the moments of the convolution's output
 * at the train size, scale and bias their √(variance + ε) and mean. The layer then changes nothing, until the statistics
 * are replaced by those at the test size.
 */
export function setFoldedLayer(state: TrainState, cut: Cut, moments: Moments): void {
  const { norm } = cut.tail;
  if (!norm) throw new Error('the cut has no layer');
  setStatistics(state, cut, moments);
  const variance = populationVariance(moments);
  state.parameters.get(norm.bias)?.set(moments.mean);
  state.parameters.get(norm.scale)?.set(variance.map((value) => Math.sqrt(value + norm.epsilon)));
}
