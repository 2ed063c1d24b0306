import { adaptiveError, type EvaluatedModel, riskCoverage } from '../../src/evaluate/index.ts';
import type { Section } from '../../src/report/index.ts';
import { reliabilityChart } from '../shared/sections/reliability-chart.ts';

/** More lines in one picture cannot be told apart. */
const LINES = 5;

/** Whether confidence can be believed: reliability, calibration errors with their bias, and what a refusal of unsure answers gains. */
export function calibrationSection(models: readonly EvaluatedModel[]): Section {
  const measured = models.map((one) => {
    const { ece, ifCalibrated } = adaptiveError(one.predictions);
    const curve = riskCoverage(one.predictions);
    const { model, ece15, ece15_if_calibrated } = one.fields;
    return { curve, row: { model, ece15, ece15_if_calibrated, ece, ifCalibrated, area: curve.area } };
  });
  const [first] = measured;
  const half = first?.curve.points.find(({ coverage }) => coverage >= 0.5)?.risk ?? 0;
  return {
    heading: 'Calibration',
    parts: [
      ...models.map((one) => reliabilityChart(String(one.fields.model), one)),
      {
        kind: 'table',
        caption:
          'Calibration errors, 15 bins: of equal width (Guo et al. 2017) and of equally many images (adaptive: Nguyen and O’Connor 2015); both are biased upwards by what a perfectly calibrated model would be measured at. AURC: mean share of wrong answers over all coverages.',
        columns: [
          { field: 'model', header: 'model' },
          { field: 'ece15', header: 'ECE', digits: 4 },
          { field: 'ece15_if_calibrated', header: 'if calibrated', digits: 4 },
          { field: 'ece', header: 'adaptive ECE', digits: 4 },
          { field: 'ifCalibrated', header: 'if calibrated', digits: 4 },
          { field: 'area', header: 'AURC', digits: 4 },
        ],
        rows: measured.map(({ row }) => row),
      },
      {
        kind: 'lines',
        title: 'Risk and coverage',
        description: `If only the surest answers are given: of the surest half of the images ${String(first?.row.model)} gets ${(100 * half).toFixed(1)} % wrong.`,
        x: { label: 'images answered', percent: true, digits: 0 },
        y: { label: 'wrong answers', percent: true, digits: 1 },
        series: measured.slice(0, LINES).map(({ row, curve }) => ({
          name: String(row.model),
          points: curve.points.map(({ coverage, risk }) => ({ x: coverage, y: risk })),
        })),
      },
    ],
  };
}
