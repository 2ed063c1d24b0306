import { type Metrics, type Predictions, reliabilityBins } from '../../../src/evaluate/index.ts';
import { type Chart, formatNumber } from '../../../src/report/index.ts';

/** "Overconfident by 3.1 points": the mean of confidence - accuracy. */
function biasText({ meanConfidence, top1, n }: Metrics): string {
  const bias = meanConfidence - top1;
  const points = formatNumber(Math.abs(bias), { percent: true, digits: 1 });
  if (bias === 0 || points.startsWith('<')) return `Mean confidence equals accuracy, on ${n} images.`;
  return `${bias > 0 ? 'Overconfident' : 'Underconfident'} by ${points} points on average, on ${n} images.`;
}

/** The reliability diagram of predictions. */
export function reliabilityChart(
  name: string,
  { metrics, predictions }: { readonly metrics: Metrics; readonly predictions: Predictions },
): Chart {
  return {
    kind: 'reliability',
    title: `Reliability of ${name}`,
    description: biasText(metrics),
    ece: metrics.ece,
    eceIfCalibrated: metrics.eceCalibrated,
    bins: reliabilityBins(predictions).map(({ interval, ...bin }) => ({
      ...bin,
      accuracyLow: interval?.lo ?? null,
      accuracyHigh: interval?.hi ?? null,
    })),
  };
}
