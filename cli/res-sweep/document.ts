import {
  type ModelChoice,
  type ReportedPairs,
  type SizePrediction,
  type SweepRecord,
  type SweptRow,
  sideOf,
} from '../../src/resolution/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { readingDocument } from '../shared/reading-document.ts';

const identity = ({ fields: f }: SweptRow) => ({
  test_size: f.test_size,
  ratio: f.ratio,
  resize_size: f.resize_size,
  crop_ratio: f.crop_ratio,
  resize_rule: f.resize_rule,
  interpolation: f.interpolation,
  variant: f.variant,
  gmacs: f.gmacs,
});

function choiceDocument({ model, choice, baseline, best, chosen, recommended, considered }: ModelChoice) {
  const at = (row: SweptRow): number => considered.indexOf(row);
  const scored = (row: SweptRow) => ({
    ...identity(row),
    top1_choosing: choice.choosingTop1[at(row)],
    top1_reporting: choice.reportingTop1[at(row)],
  });
  const { choosing } = choice;
  const compared = (row: SweptRow, { againstBaseline: change, againstBest: loss }: ReportedPairs) => ({
    ...scored(row),
    top1_difference: change.top1.difference,
    top1_difference_lo: change.top1.lo,
    top1_difference_hi: change.top1.hi,
    mcnemar_p: change.p,
    below_best: loss.top1.difference,
    below_best_lo: loss.top1.lo,
    below_best_hi: loss.top1.hi,
  });
  return {
    model,
    margin: choice.margin,
    outcome: choice.outcome,
    separated: choice.separated,
    n_choosing: choice.choosingImages,
    n_reporting: choice.reportingImages,
    smallest_difference: choosing.smallest.significant,
    detectable_difference: choosing.smallest.detectable,
    train_size: scored(baseline),
    best: scored(best),
    chosen: compared(chosen, choice.chosenPairs),
    recommended: compared(recommended, choice.recommendedPairs),
  };
}

const predictionDocument = ({ model, trainSize, ratio, squareRatio }: SizePrediction) => ({
  model,
  ratio,
  test_size: Math.round(ratio * sideOf(trainSize)),
  ratio_square_images: squareRatio,
});

/** A sweep as one document. */
export const sweepDocument = ({ rows, choices, readings, predictions, warnings, badImages }: SweepRecord) => ({
  rows: rows.map(({ fields }) => fields),
  choices: choices.map(choiceDocument),
  readings: readings.map(({ model, reading }) => ({ model, ...readingDocument(reading) })),
  predicted: predictions?.map(predictionDocument) ?? null,
  warnings: warnings.map(flagText),
  bad_images: badImages,
});
