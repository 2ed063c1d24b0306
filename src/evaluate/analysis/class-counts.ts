import type { Predictions } from '../predictions.ts';

/** How often each class was meant, said, and said rightly. Classes are those that occur, ascending: scikit-learn's. */
export interface ClassCounts {
  readonly classes: readonly number[];
  readonly support: Float64Array;
  readonly predicted: Float64Array;
  readonly right: Float64Array;
}

/** The classes that occur among labels and answers, ascending, and the place of each image's label and answer among them. */
export function classPlaces({ labels, top5 }: Predictions) {
  const answers = Int32Array.from(labels, (_, i) => top5[5 * i] as number);
  const classes = [...new Set([...labels, ...answers])].sort((a, b) => a - b);
  const places = new Map(classes.map((value, place) => [value, place]));
  const placeOf = (value: number): number => places.get(value) as number;
  return { classes, labels: labels.map(placeOf), answers: answers.map(placeOf) };
}

/** @param rows the images to count, with repetition; default each once */
export function countClasses(
  { classes, labels, answers }: ReturnType<typeof classPlaces>,
  rows?: Uint32Array,
): ClassCounts {
  const zeros = (): Float64Array => new Float64Array(classes.length);
  const [support, predicted, right] = [zeros(), zeros(), zeros()];
  const n = rows?.length ?? labels.length;
  for (let i = 0; i < n; i++) {
    const row = rows ? (rows[i] as number) : i;
    const [label, answer] = [labels[row] as number, answers[row] as number];
    support[label] = (support[label] as number) + 1;
    predicted[answer] = (predicted[answer] as number) + 1;
    if (label === answer) right[label] = (right[label] as number) + 1;
  }
  return { classes, support, predicted, right };
}
