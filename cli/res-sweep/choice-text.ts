import { pValueStatement } from '../../src/core/index.ts';
import { formatNumber } from '../../src/report/index.ts';
import { type ModelChoice, type SweptRow, sizeName } from '../../src/resolution/index.ts';
import { transformWords } from '../shared/transform-text.ts';

const percent = (value: number | undefined): string => formatNumber(value ?? Number.NaN, { percent: true });
const signed = (value: number): string => formatNumber(value, { percent: true, signed: true });

interface Difference {
  readonly top1: { readonly difference: number; readonly lo: number; readonly hi: number };
}
const interval = ({ top1 }: Difference): string => `${signed(top1.lo)} to ${signed(top1.hi)}`;

/** A row in words: what tells it from others of its size too. */
function rowText({ size, variant, fields: f }: SweptRow): string {
  const changed = variant === 'keep' ? '' : `, ${variant}`;
  return `${sizeName(size)} px (resize ${f.resize_size}, ${f.interpolation}${changed})`;
}

/** What the choosing half says of the row that it chose; on the other half it must hold again. */
function claimOf({ choice, baseline }: ModelChoice): string {
  const points = `${percent(choice.margin)} points`;
  return choice.cheaper
    ? `the cheapest row that loses at most ${points}`
    : `the cheapest row that is better than ${sizeName(baseline.size)} px and loses at most ${points} against the best`;
}

/** How the chosen row does on the half that did not choose it. */
function foundText({ choice, baseline, best, chosen }: ModelChoice): string {
  const { againstBaseline: change, againstBest: loss } = choice.chosenPairs;
  const own = `${signed(change.top1.difference)} (${interval(change)}, ${pValueStatement(change.p)}) against ${sizeName(baseline.size)} px`;
  if (chosen === best) return own;
  return `${own} and ${signed(loss.top1.difference)} (${interval(loss)}) against the best`;
}

function recommendedText(one: ModelChoice): string {
  const { choice, baseline, best, chosen, recommended, considered } = one;
  const { choosingImages: n, reportingImages: m, outcome, margin } = choice;
  const head = `Recommended: ${rowText(recommended)}, ${percent(choice.reportingTop1[considered.indexOf(recommended)])} % on the other half`;
  if (outcome === 'confirmed')
    return `${head}: chosen by ${n} images as ${claimOf(one)}, and confirmed by the other ${m}, where it has ${foundText(one)}.`;
  if (outcome === 'withdrawn')
    return `${head}: the train size, as ${rowText(chosen)}, chosen by ${n} images as ${claimOf(one)}, is withdrawn: the other ${m} do not confirm it, with ${foundText(one)}.`;
  const shown = `shown by the ${n} images that chose to lose at most ${percent(margin)} points`;
  if (best === baseline) return `${head}: the train size, which is the best; no cheaper row is ${shown}.`;
  if (choice.baselineWithin) return `${head}: the train size, ${shown} against the best; no cheaper row is.`;
  return `${head}: the train size, as nothing speaks for another: of no row do the ${n} images that chose show that it can replace it within ${percent(margin)} points of the best.`;
}

/** The conclusion in sentences. */
export function choiceSentences(one: ModelChoice): { verdict: string; best: string; recommended: string } {
  const { choice, best, considered } = one;
  const { significant, detectable } = choice.choosing.smallest;
  const visible =
    significant > 1
      ? 'no difference at all'
      : `no difference under ${percent(significant)} points (5 %), and find one of ${percent(detectable)} with a chance of 80 %`;
  const verdict = choice.separated
    ? `${choice.choosingImages} images chose, the other ${choice.reportingImages} are reported.`
    : `${choice.choosingImages} images cannot tell these sizes apart: they can show ${visible}.`;
  const [chose, reported] = [choice.choosingTop1, choice.reportingTop1].map((top1) =>
    percent(top1[considered.indexOf(best)]),
  );
  return {
    verdict,
    best: `Best: ${rowText(best)}, ${chose} % on the half that chose it, ${reported} % on the other.`,
    recommended: recommendedText(one),
  };
}

/** The options of eval-ckpt that give the recommended row's numbers. */
const recommendedOptions = ({ recommended }: ModelChoice): string => transformWords(recommended.transform);

/** What the options cannot say, where the recommended row is of a changed model; else nothing. */
function recommendedChange({ recommended }: ModelChoice): string | undefined {
  const { variant, transform } = recommended;
  if (variant === 'recalibrated')
    return `on the model that bn-recal makes of the images of --train with ${transformWords(transform)}`;
  if (variant === 'test-pool') return "in a program with test-time pooling, such as timm's: no command here writes it";
  return undefined;
}

/** "Use …": the options, and below what they are to be used on. */
export function useLines(one: ModelChoice): string[] {
  const change = recommendedChange(one);
  return [`Use ${recommendedOptions(one)}`, ...(change === undefined ? [] : [`(${change})`])];
}

/** The choices for people. */
export function choiceText(choices: readonly ModelChoice[], recommend: boolean): string {
  return choices
    .map((one) => {
      const { verdict, best, recommended } = choiceSentences(one);
      const lines = [verdict, best, ...(recommend ? [recommended, ...useLines(one)] : [])];
      const head = choices.length > 1 ? `${one.model}\n` : '';
      return `${head}${lines.map((line) => `${line}\n`).join('')}`;
    })
    .join('\n');
}
