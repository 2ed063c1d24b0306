import type { FieldRow } from '../../src/core/index.ts';
import type { EvaluationRecord, ModelScores } from '../../src/evaluate/index.ts';
import { cellText, formatNumber } from '../../src/report/index.ts';
import { DIFFERENCE, SCORE_COLUMNS } from '../shared/sections/score-columns.ts';

/** Below this an adjusted p is called a difference. */
const SIGNIFICANT = 0.05;

const number = (row: FieldRow, field: string): number => Number(row[field]);
export const nameOf = ({ fields }: ModelScores): string => String(fields.model);

const TOP1 = SCORE_COLUMNS.find(({ field }) => field === 'top1') ?? { field: 'top1', header: '' };

/** "89.00 % (87.55 to 90.30)", as the table has it. */
function withInterval({ fields }: ModelScores): string {
  const { text, interval = '' } = cellText(fields, TOP1);
  return `${text} % (${interval})`;
}

export const bestOf = <S extends ModelScores>(scores: readonly S[]): S =>
  scores.reduce((best, one) => (one.metrics.top1 > best.metrics.top1 ? one : best));

/** The answer in a sentence. */
export function summaryOf(scores: readonly ModelScores[]): string {
  const best = bestOf(scores);
  const images = `${best.metrics.n} images`;
  if (scores.length === 1) return `Top-1 ${withInterval(best)} on ${images}.`;
  return `Highest top-1: ${nameOf(best)} with ${withInterval(best)} on ${images}.`;
}

/** Which models can be told from the first, in a sentence. */
export function pairedSentence([first, ...others]: readonly ModelScores[]): string {
  if (!first || others.length === 0) return '';
  const how = `by top-1 (p < ${SIGNIFICANT}, McNemar with Holm's correction)`;
  const told = others.filter(
    ({ fields }) => number(fields, 'mcnemar_p_holm') < SIGNIFICANT && number(fields, 'top1_difference') !== 0,
  );
  if (told.length === 0) return `On these images no model can be told from ${nameOf(first)} ${how}.`;
  const differences = told.map(
    (one) => `${nameOf(one)}, ${formatNumber(number(one.fields, 'top1_difference'), DIFFERENCE)} points`,
  );
  return `Told from ${nameOf(first)} ${how}: ${differences.join('; ')}.`;
}

/** What test-time augmentation changes, against the same model without it: a sentence of each. */
export function augmentedSentences(scores: readonly ModelScores[]): string[] {
  const points = (value: number): string => formatNumber(value, DIFFERENCE);
  return scores
    .filter(({ fields }) => fields.tta_mcnemar_p !== undefined)
    .map(({ fields }) => {
      const [by, lo, hi] = ['', '_lo', '_hi'].map((end) => points(number(fields, `tta_top1_difference${end}`)));
      return `${fields.model} against the same without: ${by} points of top-1 (${lo} to ${hi}), p ${formatNumber(number(fields, 'tta_mcnemar_p'), { pValue: true })} (McNemar).`;
    });
}

/** That labels and classes may not fit, of each model, and what is odd about the pictures; options are named in backticks. */
export const warningsOf = ({ models, pictureNotes }: EvaluationRecord): string[] => [
  ...models.flatMap((one) => one.warnings.map((text) => `${nameOf(one)}: ${text}`)),
  ...pictureNotes,
];
