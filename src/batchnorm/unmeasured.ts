import { TemperError } from '../core/index.ts';
import type { Model } from '../onnx/index.ts';
import type { BatchNormLayer } from './find-layers.ts';
import type { ResultOptions } from './job-options.ts';
import { storedStatistics } from './stored-statistics.ts';

/** Converters that write scale and bias with the statistics in them (keras-onnx#213, onnxmltools#323). */
const FOLDING_PRODUCERS = /keras2onnx|onnxmltools|coremltools/i;
/** Some write a variance that is 1 with epsilon. */
const isOne = (variance: number, epsilon: number): boolean => variance === 1 || Math.abs(variance + epsilon - 1) < 1e-7;

/**
 * What is to be said of a model whose every mean is 0 and every variance 1: either its statistics were never measured, and
 * measuring them helps, or a converter folded them into scale and bias, and measuring them ruins the network. The file does not
 * tell which.
 */
export function unmeasuredText(model: Model, layers: readonly BatchNormLayer[]): string | undefined {
  const isPlaceholder = (layer: BatchNormLayer): boolean => {
    const { mean, variance } = storedStatistics(model, layer);
    return mean.every((value) => value === 0) && variance.every((value) => isOne(value, layer.epsilon));
  };
  if (layers.length === 0 || !layers.every(isPlaceholder)) return undefined;
  const { path, record } = model;
  const who = FOLDING_PRODUCERS.test(record.producer) ? `, as ${record.producer} does` : ' (keras2onnx, onnxmltools)';
  return `${path}: every mean is 0 and every variance 1: these statistics were never measured, or the exporter folded them into scale and bias${who}: recalibrating the latter breaks the network`;
}

/**
 * Refuses to write a model of {@link unmeasuredText}, unless its guard or the user answers for the result.
 * @throws TemperError USAGE without `val` and `allowWorse`
 */
export function assertMeasured(
  model: Model,
  layers: readonly BatchNormLayer[],
  { val, allowWorse = false }: ResultOptions,
  note: (text: string) => void,
): void {
  const what = unmeasuredText(model, layers);
  if (what === undefined) return;
  if (val !== undefined || allowWorse) {
    note(what);
    return;
  }
  throw new TemperError('USAGE', what, {
    hint: 'Give `val`, labelled images on which the new model must be better; `allowWorse` writes it without.',
    details: { path: model.path, producer: model.record.producer },
  });
}
