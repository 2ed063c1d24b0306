import type { ModelChoice, SweptRow } from '../../src/resolution/index.ts';

const percent = (value: number | undefined): string => (100 * (value ?? Number.NaN)).toFixed(2);
const signed = (value: number): string => `${value < 0 ? '' : '+'}${percent(value)}`;
const rowText = ({ size, variant, fields: f }: SweptRow): string =>
  `${size} px (resize ${f.resize_size}, ${f.interpolation}${variant === 'keep' ? '' : `, ${variant}`})`;

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
      : `; against ${baseline.size} px ${signed(change.top1.difference)} (${signed(change.top1.lo)} to ${signed(change.top1.hi)}, p = ${change.p.toPrecision(2)})`;
  const within = `${signed(loss.top1.difference)} (${signed(loss.top1.lo)} to ${signed(loss.top1.hi)})`;
  const reason = !choice.separated
    ? 'the train size, as nothing speaks for another'
    : recommended === best
      ? 'no cheaper size is within the noise of it'
      : `the cheapest within the noise of the best, from which it differs by ${within} on the other half`;
  return {
    verdict,
    best: `Best: ${rowText(best)}, ${percent(choice.choosingTop1[considered.indexOf(best)])} % on the half that chose it, ${percent(choice.reportingTop1[considered.indexOf(best)])} % on the other.`,
    recommended: `Recommended: ${rowText(recommended)}, ${percent(reporting)} %${against}: ${reason}.`,
  };
}

/** The options of eval-ckpt that give the recommended row. */
export function recommendedOptions({ recommended: { size, variant, fields: f } }: ModelChoice): string {
  const recalibrate = variant === 'recalibrated' ? ` (after bn-recal --size ${size})` : '';
  const pooled = variant === 'test-pool' ? ' (with test-time pooling)' : '';
  return `--size ${size} --resize ${f.resize_size} --resize-rule ${f.resize_rule} --interpolation ${f.interpolation}${recalibrate}${pooled}`;
}

/** The choices for people. */
export function choiceText(choices: readonly ModelChoice[], recommend: boolean): string {
  return choices
    .map((one) => {
      const { verdict, best, recommended } = choiceSentences(one);
      const lines = [verdict, best, ...(recommend ? [recommended, `Use ${recommendedOptions(one)}`] : [])];
      const head = choices.length > 1 ? `${one.model}\n` : '';
      return `${head}${lines.map((line) => `${line}\n`).join('')}`;
    })
    .join('\n');
}
