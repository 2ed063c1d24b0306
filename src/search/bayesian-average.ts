import { asClasses, type Predictions, probabilitiesOf, scoreBatch } from '../evaluate/index.ts';
import type { ClassOutput } from '../runtime/index.ts';
import type { OutputKind } from '../signature/index.ts';

/**
 * The mean of several models' probabilities on the same images: the Bayesian model average, with equal weights, as SWAG's samples have.
 *
 * Memory: 8 bytes for each image and class.
 */
export class BayesianAverage {
  private readonly images: number;
  private sum: Float64Array | undefined;
  private classes = 0;
  private models = 0;

  constructor(images: number) {
    this.images = images;
  }

  /** Adds a batch of one model's outputs. @param first the number of its first image */
  add(scores: ClassOutput, outputs: OutputKind, first: number): void {
    const { output, kind } = asClasses(scores, outputs);
    this.sum ??= new Float64Array(this.images * output.classes);
    this.classes = output.classes;
    if (first === 0) this.models++;
    const p = probabilitiesOf(output, kind);
    const at = first * output.classes;
    for (let i = 0; i < p.length; i++) this.sum[at + i] = (this.sum[at + i] as number) + (p[i] as number);
  }

  /** Scores the average so far against the labels of one of its models. */
  predictions({ keys, labels }: Predictions): Predictions {
    const { sum, classes, models } = this;
    if (!sum) throw new Error('no model was added');
    const data = sum.map((value) => value / models);
    const float64 = { smallest: Number.MIN_VALUE, largestBelowOne: 1 - Number.EPSILON / 2 };
    return scoreBatch({ rows: keys.length, classes, data, ...float64 }, keys, labels, { kind: 'probabilities' });
  }
}
