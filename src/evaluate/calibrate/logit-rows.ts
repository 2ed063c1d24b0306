import type { ClassOutput } from '../../runtime/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import { asClasses, OUTPUT_KINDS, rowOf } from '../output-kind.ts';

/** The scores of images as logits, in float64, with their true classes. */
export interface LogitRows {
  readonly labels: Int32Array;
  readonly classes: number;
  /** Scores that the model gives; a single one stands for two classes. */
  readonly scores: number;
  /** Limits of the type that the model computed. */
  readonly limits: Pick<ClassOutput, 'smallest' | 'largestBelowOne'>;
  /** Writes the logits of a row, `classes` values, all finite. */
  read(row: number, into: Float64Array): void;
}

/** Keeps a model's outputs, batch by batch. Memory: 4 bytes a score (8 of a float64 model). */
export interface KeptOutputs {
  add(output: ClassOutput): void;
  /**
   * The rows chosen, undone to logits: ln p of probabilities, ln(p / (1 - p)) of sigmoid scores. Of a single score class 0 stands
   * at 0. A probability of 0 counts as the smallest positive value of the type.
   * @param kind what was kept @param normalised as ln p: each row less its log-sum-exp
   */
  logits(kind: OutputKind, rows: readonly number[], labels: Int32Array, normalised: boolean): LogitRows;
}

/** Less the log-sum-exp. */
function normalise(z: Float64Array): void {
  const max = z.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const all = max + Math.log(z.reduce((sum, value) => sum + Math.exp(value - max), 0));
  for (let k = 0; k < z.length; k++) z[k] = (z[k] as number) - all;
}

export function keepOutputs(): KeptOutputs {
  const parts: ClassOutput[] = [];
  const places: (readonly [part: number, row: number])[] = [];
  return {
    add(output) {
      const { rows, classes, data } = output;
      for (let row = 0; row < rows; row++) places.push([parts.length, row]);
      parts.push({ ...output, data: data.slice(0, rows * classes) });
    },
    logits(kind, rows, labels, normalised) {
      const [first] = parts;
      if (!first) throw new Error('nothing was kept');
      const single = first.classes === 1;
      const scored = parts.map((part) => asClasses(part, kind));
      const { score } = OUTPUT_KINDS[scored[0]?.kind ?? kind];
      const { smallest, largestBelowOne } = first;
      const least = Math.log(smallest);
      return {
        labels,
        classes: single ? 2 : first.classes,
        scores: first.classes,
        limits: { smallest, largestBelowOne },
        read(row, into) {
          const [part, at] = places[rows[row] as number] as readonly [number, number];
          const { output } = scored[part] as (typeof scored)[number];
          const values = rowOf(output, at);
          for (let k = 0; k < into.length; k++) {
            const z = score(values[k] as number, output);
            into[k] = z === Number.NEGATIVE_INFINITY ? least : z;
          }
          // The softmax of a row does not change; what is written into a graph scales the one score alone.
          if (single) for (let k = into.length - 1; k >= 0; k--) into[k] = (into[k] as number) - (into[0] as number);
          else if (normalised) normalise(into);
        },
      };
    },
  };
}
