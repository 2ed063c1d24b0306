import type { DataOptions } from '../../data/index.ts';

/** A set of images beside the one that models are evaluated on: images, or what was said of them before. */
export interface EvaluationSet {
  /** What its rows are called. */
  readonly name: string;
  /** Its images, with their own labels and class map; `classes` is that of the evaluation's `data` unless given. */
  readonly data?: DataOptions | undefined;
  /** Files of predictions of its images, those of all workers of one job. */
  readonly from?: readonly string[] | undefined;
}

/** Which classes a set with some of them is scored among: its own, or all. */
export type SetScores = 'own' | 'all';
