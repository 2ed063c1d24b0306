import { pValueText } from '../../src/core/index.ts';
import type { FixResRecord, SizeComparison } from '../../src/fixres/index.ts';
import { textTable } from '../shared/text-table.ts';

const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
const points = (value: number): string => `${value < 0 ? '' : '+'}${(100 * value).toFixed(2)}`;

function comparisonText(comparisons: readonly SizeComparison[]): string {
  return textTable(
    ['set', 'size', 'top-1 before', 'after', 'difference (95 %)', 'p', 'NLL before', 'after'],
    comparisons.map(({ set, size, verdict: { before, after, paired }, fields }) => [
      set,
      String(size),
      percent(before),
      percent(after),
      `${points(paired.top1.difference)} (${points(paired.top1.lo)} to ${points(paired.top1.hi)})`,
      pValueText(paired.p),
      Number(fields.nll_before).toFixed(4),
      Number(fields.nll_after).toFixed(4),
    ]),
    2,
  );
}

/** What was tuned, and on how much. */
export function tuningText({ mode, layer, classifier, history, images }: FixResRecord): string {
  const norm = layer && `${layer.name}${layer.kind === 'folded' ? ' (folded)' : ''}`;
  const tuned = [norm, classifier].filter((name) => name !== undefined).join(', ');
  const [first, last] = [history[0], history.at(-1)];
  const losses =
    first && last
      ? `loss ${first.train_loss.toFixed(4)} to ${last.train_loss.toFixed(4)} in ${history.length} epochs`
      : 'no training';
  return `${mode} of ${tuned}: ${losses}, ${images} images and views`;
}

/** The table of both sizes, what was tuned, and the verdict. */
export function fixResText(record: FixResRecord): string {
  const { comparisons, verdict, written } = record;
  const refused = written
    ? ''
    : 'nothing was written: it is no better at test size (--allow-worse writes all the same)\n';
  return `${comparisonText(comparisons)}\n${tuningText(record)}\nat test size: ${verdict.text}\n${refused}`;
}
