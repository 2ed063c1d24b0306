import type { FieldRow } from '../../core/index.ts';
import { holm, mcnemar, pairedInterval } from '../paired.ts';
import type { Predictions } from '../predictions.ts';

/**
 * The images that only one of two models gets right: `lost` were right and are wrong now, `won` the reverse; the most confident answers
 * that are wrong first, lost before won. Both saw the same images in the same order (`comparePaired` checks it).
 */
export function flipRows(before: Predictions, after: Predictions, names: readonly string[] = []): FieldRow[] {
  const rows = before.keys.flatMap((key, i): FieldRow[] => {
    const label = before.labels[i] as number;
    const [was, is] = [before.top5[5 * i] as number, after.top5[5 * i] as number];
    if ((was === label) === (is === label)) return [];
    const lost = was === label;
    return [
      {
        key,
        change: lost ? 'lost' : 'won',
        label,
        baseline_class: was,
        class: is,
        baseline_confidence: before.confidence[i],
        confidence: after.confidence[i],
        label_name: names[label],
        baseline_class_name: names[was],
        class_name: names[is],
      },
    ];
  });
  const wrong = (row: FieldRow): number => Number(row.change === 'lost' ? row.confidence : row.baseline_confidence);
  return rows.sort((a, b) => Number(a.change === 'won') - Number(b.change === 'won') || wrong(b) - wrong(a));
}

/**
 * How many images of each class only one of two models gets right, with McNemar's p within the class and Holm's correction over the classes
 * in which images flipped; the most significant first.
 */
export function classFlips(before: Predictions, after: Predictions, names: readonly string[] = []): FieldRow[] {
  const counts = new Map<number, { n: number; lost: number; won: number }>();
  for (const [i, label] of before.labels.entries()) {
    const count = counts.get(label) ?? { n: 0, lost: 0, won: 0 };
    const [was, is] = [before.top5[5 * i] === label, after.top5[5 * i] === label];
    count.n++;
    if (was && !is) count.lost++;
    if (is && !was) count.won++;
    counts.set(label, count);
  }
  const flipped = [...counts].filter(([, { lost, won }]) => lost + won > 0).sort(([a], [b]) => a - b);
  const adjusted = holm(flipped.map(([, { lost, won }]) => mcnemar(lost, won).p));
  const rows = flipped.map(([label, { n, lost, won }], i): FieldRow => {
    const { lo, hi } = pairedInterval(lost, won, n);
    return {
      class: label,
      name: names[label],
      n_images: n,
      lost,
      won,
      top1_difference: (won - lost) / n,
      top1_difference_lo: lo,
      top1_difference_hi: hi,
      mcnemar_p_holm: adjusted[i],
    };
  });
  const size = (row: FieldRow): number => Math.abs(Number(row.lost) - Number(row.won));
  return rows.sort((a, b) => Number(a.mcnemar_p_holm) - Number(b.mcnemar_p_holm) || size(b) - size(a));
}

/** The wrong answers that the model was surest of. */
export function confidentErrors(
  { keys, labels, top5, nll, confidence }: Predictions,
  most: number,
  names: readonly string[] = [],
): FieldRow[] {
  return Array.from(labels.keys())
    .filter((i) => top5[5 * i] !== labels[i])
    .sort((a, b) => (confidence[b] as number) - (confidence[a] as number) || a - b)
    .slice(0, most)
    .map((i) => {
      const [label, said] = [labels[i] as number, top5[5 * i] as number];
      return {
        key: keys[i],
        label: names[label] ?? label,
        class: names[said] ?? said,
        confidence: confidence[i],
        p_label: Math.exp(-(nll[i] as number)),
      };
    });
}
