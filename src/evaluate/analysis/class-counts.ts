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

type Places = ReturnType<typeof classPlaces>;

/** Counts any choice of the images, with repetition. Images of one label and one answer are counted together first: most of many draws. */
export function classCounter({ classes, labels, answers }: Places): (rows: Uint32Array) => ClassCounts {
  const kinds = new Map<number, number>();
  const kindOf = (i: number): number => {
    const pair = (labels[i] as number) * classes.length + (answers[i] as number);
    const kind = kinds.get(pair) ?? kinds.size;
    kinds.set(pair, kind);
    return kind;
  };
  const kind = Uint32Array.from(labels, (_, i) => kindOf(i));
  const pairs = [...kinds.keys()].map((pair) => [Math.floor(pair / classes.length), pair % classes.length] as const);
  const zeros = (): Float64Array => new Float64Array(classes.length);
  return (rows) => {
    const counts = new Uint32Array(pairs.length);
    for (let i = 0; i < rows.length; i++) {
      const one = kind[rows[i] as number] as number;
      counts[one] = (counts[one] as number) + 1;
    }
    const [support, predicted, right] = [zeros(), zeros(), zeros()];
    for (const [at, [label, answer]] of pairs.entries()) {
      const count = counts[at] as number;
      support[label] = (support[label] as number) + count;
      predicted[answer] = (predicted[answer] as number) + count;
      if (label === answer) right[label] = (right[label] as number) + count;
    }
    return { classes, support, predicted, right };
  };
}

/** Counts each image once. */
export const countClasses = (places: Places): ClassCounts =>
  classCounter(places)(Uint32Array.from(places.labels.keys()));
