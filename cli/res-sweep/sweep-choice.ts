import { type SizeCandidate, type SizeChoice, chooseSize } from '../../src/resolution/index.ts';
import type { SweepModel } from './sweep-models.ts';
import type { Variant } from './sweep-plan.ts';
import { measuredOf, type SweptRow } from './sweep-record.ts';

/** A model's choice, with the rows that it is about. */
export interface ModelChoice {
  readonly model: SweepModel;
  readonly choice: SizeChoice;
  readonly baseline: SweptRow;
  readonly best: SweptRow;
  readonly recommended: SweptRow;
  readonly considered: readonly SweptRow[];
}

/** What a variant asks of its user, beyond another size. */
const EFFORT: Readonly<Record<Variant, number>> = { keep: 0, 'test-pool': 1, recalibrated: 1 };

/** Cost by the graph where it is known for all rows, else by the number of pixels. */
function candidatesOf(rows: readonly SweptRow[]): SizeCandidate[] {
  const known = rows.every(({ analysis }) => analysis.gmacs !== undefined);
  return rows.flatMap((row) => {
    const evaluation = measuredOf(row);
    const { cell, analysis } = row;
    const cost = known ? (analysis.gmacs as number) : cell.size ** 2;
    return evaluation ? [{ predictions: evaluation.predictions, cost, effort: EFFORT[cell.variant] }] : [];
  });
}

/** Chooses for each model among its safe rows and the train size. */
export function chooseSizes(rows: readonly SweptRow[], seed: number): ModelChoice[] {
  return [...new Set(rows.map(({ model }) => model))].flatMap((model) => {
    const considered = rows.filter(
      (row) => row.model === model && measuredOf(row) && (row.verdict.verdict === 'safe' || row.cell.baseline),
    );
    const at = considered.findIndex(({ cell }) => cell.baseline);
    const choice = at < 0 || considered.length < 2 ? undefined : chooseSize(candidatesOf(considered), at, seed);
    if (!choice) return [];
    return [
      {
        model,
        choice,
        considered,
        baseline: considered[at] as SweptRow,
        best: considered[choice.best] as SweptRow,
        recommended: considered[choice.recommended] as SweptRow,
      },
    ];
  });
}

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

/** A choice as a document. */
export function choiceDocument({ model, choice, baseline, best, recommended, considered }: ModelChoice) {
  const at = (row: SweptRow): number => considered.indexOf(row);
  const scored = (row: SweptRow) => ({
    ...identity(row),
    top1_choosing: choice.choosingTop1[at(row)],
    top1_reporting: choice.reportingTop1[at(row)],
  });
  const { againstBaseline: change, againstBest: loss, choosing } = choice;
  return {
    model: model.name,
    separated: choice.separated,
    n_choosing: choice.choosingImages,
    n_reporting: choice.reportingImages,
    smallest_difference: choosing.smallest.significant,
    detectable_difference: choosing.smallest.detectable,
    train_size: scored(baseline),
    best: scored(best),
    recommended: {
      ...scored(recommended),
      top1_difference: change.top1.difference,
      top1_difference_lo: change.top1.lo,
      top1_difference_hi: change.top1.hi,
      mcnemar_p: change.p,
      below_best: loss.top1.difference,
      below_best_lo: loss.top1.lo,
      below_best_hi: loss.top1.hi,
    },
  };
}

const percent = (value: number | undefined): string => (100 * (value ?? Number.NaN)).toFixed(2);
const signed = (value: number): string => `${value < 0 ? '' : '+'}${percent(value)}`;
const rowText = ({ cell, fields: f }: SweptRow): string =>
  `${cell.size} px (resize ${f.resize_size}, ${f.interpolation}${cell.variant === 'keep' ? '' : `, ${cell.variant}`})`;

/** The conclusion in sentences. */
export function choiceSentences(one: ModelChoice): { verdict: string; best: string; recommended: string } {
  const { choice, baseline, best, recommended, considered } = one;
  const { againstBaseline: change, againstBest: loss, choosing } = choice;
  const reporting = choice.reportingTop1[considered.indexOf(recommended)];
  const smallest = choosing.smallest.significant;
  const visible =
    smallest > 1
      ? 'no difference at all'
      : `no difference under ${percent(smallest)} points (5 %), and find one of ${percent(choosing.smallest.detectable)} with a chance of 80 %`;
  const verdict = choice.separated
    ? `${choice.choosingImages} images chose, the other ${choice.reportingImages} are reported.`
    : `${choice.choosingImages} images cannot tell these sizes apart: they can show ${visible}.`;
  const against =
    recommended === baseline
      ? ''
      : `; against ${baseline.cell.size} px ${signed(change.top1.difference)} (${signed(change.top1.lo)} to ${signed(change.top1.hi)}, p = ${change.p.toPrecision(2)})`;
  const reason =
    recommended === best
      ? 'no cheaper size is within the noise of it'
      : choice.separated
        ? `the cheapest within the noise of the best, from which it differs by ${signed(loss.top1.difference)} (${signed(loss.top1.lo)} to ${signed(loss.top1.hi)}) on the other half`
        : 'the train size, as nothing speaks for another';
  return {
    verdict,
    best: `Best: ${rowText(best)}, ${percent(choice.choosingTop1[considered.indexOf(best)])} % on the half that chose it, ${percent(choice.reportingTop1[considered.indexOf(best)])} % on the other.`,
    recommended: `Recommended: ${rowText(recommended)}, ${percent(reporting)} %${against}: ${reason}.`,
  };
}

/** The options of eval-ckpt that give the recommended row. */
export function recommendedOptions({ recommended: { cell, fields: f } }: ModelChoice): string {
  const recalibrate = cell.variant === 'recalibrated' ? ` (after bn-recal --size ${cell.size})` : '';
  const pooled = cell.variant === 'test-pool' ? ' (with test-time pooling)' : '';
  return `--size ${cell.size} --resize ${f.resize_size} --resize-rule ${f.resize_rule} --interpolation ${f.interpolation}${recalibrate}${pooled}`;
}

/** The choices for people. */
export function choiceText(choices: readonly ModelChoice[], recommend: boolean): string {
  return choices
    .map((one) => {
      const { verdict, best, recommended } = choiceSentences(one);
      const lines = [verdict, best, ...(recommend ? [recommended, `Use ${recommendedOptions(one)}`] : [])];
      const head = choices.length > 1 ? `${one.model.name}\n` : '';
      return `${head}${lines.map((line) => `${line}\n`).join('')}`;
    })
    .join('\n');
}
