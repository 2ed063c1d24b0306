import type { FieldRow } from '../../core/index.ts';
import { wilson } from '../intervals.ts';
import type { Predictions } from '../predictions.ts';

/** Images of a class that were taken for a class, the same one or another. */
export interface ConfusionCell {
  readonly label: number;
  readonly predicted: number;
  readonly count: number;
  /** Of the images of the label. */
  readonly share: number;
}

/** All cells that are not empty, by label, then by answer: of 1,000 classes most of a matrix is empty. */
export function confusionCells({ labels, top5 }: Predictions): ConfusionCell[] {
  const rows = new Map<number, Map<number, number>>();
  for (const [i, label] of labels.entries()) {
    const predicted = top5[5 * i] as number;
    const row = rows.get(label) ?? new Map<number, number>();
    row.set(predicted, (row.get(predicted) ?? 0) + 1);
    rows.set(label, row);
  }
  const ascending = <T>(map: Map<number, T>): [number, T][] => [...map].sort(([a], [b]) => a - b);
  return ascending(rows).flatMap(([label, row]) => {
    const support = [...row.values()].reduce((sum, count) => sum + count, 0);
    return ascending(row).map(([predicted, count]) => ({ label, predicted, count, share: count / support }));
  });
}

/** The cells as rows of a table. @param names of the classes, by index */
export const confusionRows = (cells: readonly ConfusionCell[], names: readonly string[] = []): FieldRow[] =>
  cells.map(({ label, predicted, count, share }) => ({
    label,
    predicted,
    count,
    share,
    label_name: names[label],
    predicted_name: names[predicted],
  }));

/** Two classes that are taken for each other. */
interface ConfusedPair {
  readonly classes: readonly [number, number];
  /** Images of the first taken for the second, and the reverse. */
  readonly there: number;
  readonly back: number;
}

/** Pairs of classes by the images that were confused, most first. */
function confusedPairs(cells: readonly ConfusionCell[]): ConfusedPair[] {
  const pairs = new Map<string, ConfusedPair>();
  for (const { label, predicted, count } of cells) {
    if (label === predicted) continue;
    const classes = [Math.min(label, predicted), Math.max(label, predicted)] as const;
    const { there = 0, back = 0 } = pairs.get(classes.join()) ?? {};
    pairs.set(classes.join(), {
      classes,
      there: there + (label < predicted ? count : 0),
      back: back + (label < predicted ? 0 : count),
    });
  }
  return [...pairs.values()].sort(
    (a, b) => b.there + b.back - a.there - a.back || a.classes[0] - b.classes[0] || a.classes[1] - b.classes[1],
  );
}

/** The pairs that are confused most, as rows, with the share of each class that is taken for the other. */
export function worstPairs(cells: readonly ConfusionCell[], most: number, names: readonly string[] = []): FieldRow[] {
  const support = new Map<number, number>();
  for (const { label, count } of cells) support.set(label, (support.get(label) ?? 0) + count);
  const called = (value: number): string => names[value] ?? String(value);
  const shareOf = (count: number, value: number, name: string): FieldRow => {
    const all = support.get(value) ?? 0;
    const { lo, hi } = all === 0 ? {} : wilson(count, all);
    return { [name]: all === 0 ? undefined : count / all, [`${name}_lo`]: lo, [`${name}_hi`]: hi };
  };
  return confusedPairs(cells)
    .slice(0, most)
    .map(({ classes: [a, b], there, back }) => ({
      first: called(a),
      second: called(b),
      confused: there + back,
      ...shareOf(there, a, 'first_as_second'),
      ...shareOf(back, b, 'second_as_first'),
    }));
}

/**
 * The classes that are confused most, in an order in which those that are taken for each other stand side by side: the worst pair first,
 * then always the class that is confused most with one of those that are there, next to it.
 */
export function confusedClasses(cells: readonly ConfusionCell[], most: number): number[] {
  const pairs = confusedPairs(cells);
  const between = new Map<number, [number, number][]>();
  for (const {
    classes: [a, b],
    there,
    back,
  } of pairs) {
    for (const [one, other] of [[a, b] as const, [b, a] as const]) {
      const list = between.get(one) ?? [];
      list.push([other, there + back]);
      between.set(one, list);
    }
  }
  const order: number[] = [];
  for (const { classes } of pairs) {
    if (order.length >= most) break;
    if (classes.some((value) => order.includes(value))) continue;
    order.push(...classes);
    while (order.length < most) {
      const best = [order[0] as number, order.at(-1) as number]
        .flatMap((end, place) => (between.get(end) ?? []).map(([other, count]) => ({ place, other, count })))
        .filter(({ other }) => !order.includes(other))
        .sort((x, y) => y.count - x.count || x.other - y.other)[0];
      if (!best) break;
      if (best.place === 0) order.unshift(best.other);
      else order.push(best.other);
    }
  }
  return order.slice(0, most);
}
