import { pValueStatement, pValueText } from '../../src/core/index.ts';
import type { Finalist, FoundTransformRecord } from '../../src/evaluate/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { textTable } from '../shared/text-table.ts';
import { transformWords } from '../shared/transform-text.ts';

const percent = (value: number | undefined): string => (value === undefined ? '' : (100 * value).toFixed(2));
const points = (difference: number): string => (100 * Math.abs(difference)).toFixed(2);

/** The verdict in a sentence. */
export function foundSentence({ verdict, finalists, verdictImages, warnings }: FoundTransformRecord): string {
  const on = `on ${verdictImages} images that did not choose`;
  const given = finalists.find(({ isGiven }) => isGiven);
  const [best] = finalists;
  const against = given?.against;
  const tied = finalists.filter((one) => one.tied).length;
  if (verdict === 'none') {
    const highest = percent(Math.max(...finalists.map(({ top1 }) => top1 ?? 0)));
    const why = warnings.length > 0 ? warnings.map(flagText).join('; ') : 'are labels in the order of its classes?';
    return `Not found: with none of these the network classifies the images (highest top-1 ${highest} % ${on}): ${why}`;
  }
  if (verdict === 'unlabelled') {
    const first = best?.isGiven ? 'what you gave' : 'the first';
    return `Without labels nothing is proved: predictions are most certain and varied with ${first}, ${on}. Labels would tell.`;
  }
  if (verdict === 'better' && against) {
    const p = pValueStatement(against.pHolm);
    const others = tied > 1 ? `; it cannot be told from ${tied - 1} of the others (tied)` : '';
    return `The first is better than what you gave by ${points(against.top1.difference)} points (${p}, McNemar with Holm's correction) ${on}${others}.`;
  }
  if (verdict === 'given')
    return `What you gave is better than the others (p < 0.05, McNemar with Holm's correction) ${on}.`;
  return `Cannot tell ${tied === finalists.length ? 'these' : 'those that are tied'} apart, what you gave is among them (p < 0.05, McNemar with Holm's correction) ${on}.`;
}

const COLUMNS = [
  'preprocessing',
  'top-1 %',
  '95 % interval',
  'NLL',
  'confidence',
  'information',
  'p (Holm)',
  '',
] as const;

function row(one: Finalist, i: number): readonly string[] {
  const { top1, top1Interval, nll, confidence, information, against, isGiven, tied } = one;
  const interval = top1Interval ? `${percent(top1Interval.lo)} to ${percent(top1Interval.hi)}` : '';
  const marks = [isGiven ? 'given' : '', top1 !== undefined && tied && i > 0 ? 'tied' : ''].filter(Boolean).join(', ');
  const numbers = [
    nll?.toFixed(4) ?? '',
    confidence.toFixed(4),
    information.toFixed(4),
    against ? pValueText(against.pHolm) : '',
  ];
  return [String(i + 1), percent(top1), interval, ...numbers, marks];
}

/** The finalists in a table and as options to paste, the verdict, and what it cost. */
export function foundText(record: FoundTransformRecord): string {
  const { finalists, tried, failed, images, source, runs, evaluations } = record;
  const options = finalists.map(({ transform }, i) => `${i + 1}: ${transformWords(transform)}\n`).join('');
  const without = failed > 0 ? `, ${failed} of which the network does not run with` : '';
  return (
    `${textTable(COLUMNS, finalists.map(row))}\n${options}\n${foundSentence(record)}\n\n` +
    `${tried} preprocessings${without} on ${images} images of ${source}: ${runs} runs, the work of ${evaluations.toFixed(2)} evaluations\n`
  );
}
