import type { SizePrediction, SweepRecord, SweptRow } from '../../src/resolution/index.ts';
import { textTable } from '../shared/text-table.ts';
import { choiceText } from './choice-text.ts';

const percent = (value: unknown): string => (typeof value === 'number' ? (100 * value).toFixed(2) : '');
const fixed = (value: unknown, digits: number): string => (typeof value === 'number' ? value.toFixed(digits) : '');

/** The table for people: what chooses a size. CSV and --json have all fields. */
function tableText(rows: readonly SweptRow[]): string {
  const several = new Set(rows.map(({ model }) => model)).size > 1;
  return textTable(
    [
      ...(several ? ['model'] : []),
      'size',
      'ratio',
      'resize',
      'filter',
      'variant',
      'top-1 %',
      '95 % interval',
      'against train size',
      'p (Holm)',
      'NLL',
      'img/s',
      'front',
    ],
    rows.map(({ fields: f }) => [
      ...(several ? [String(f.model)] : []),
      String(f.test_size),
      fixed(f.ratio, 2),
      String(f.resize_size),
      String(f.interpolation),
      String(f.variant),
      percent(f.top1),
      f.top1 === undefined ? '' : `${percent(f.top1_lo)} to ${percent(f.top1_hi)}`,
      percent(f.top1_difference),
      fixed(f.mcnemar_p_holm, 4),
      fixed(f.nll, 4),
      fixed(f.img_s_model, 1),
      f.pareto === true ? '*' : '',
    ]),
  );
}

function predictionText(predictions: readonly SizePrediction[] | undefined): string {
  return (predictions ?? [])
    .map(
      ({ model, trainSize, ratio, squareRatio }) =>
        `${model}: objects look as large as in training at ${ratio.toFixed(2)} times the train size, ${Math.round(ratio * trainSize)} px (square images: ${squareRatio.toFixed(2)})\n`,
    )
    .join('');
}

/** A sweep for people. @param recommend whether to name a size and the options to use */
export function sweepText({ rows, choices, predictions }: SweepRecord, recommend: boolean): string {
  return [tableText(rows), choiceText(choices, recommend), predictionText(predictions)].filter(Boolean).join('\n');
}
