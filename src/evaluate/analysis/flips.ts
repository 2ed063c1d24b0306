import type { FieldRow } from '../../core/index.ts';
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
