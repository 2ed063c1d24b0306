/** What the scores of an image shall be: a distribution over the classes. */
export interface Targets {
  readonly classes: number;
  /** Writes the distribution of a row of the cache. */
  fill(row: number, into: Float32Array): void;
}

/**
 * Labels, smoothed: 1 - ε + ε/C for the label and ε/C for every class (Szegedy et al. 2016, §7; torch's label_smoothing).
 * @param labels by row of the cache
 */
export function labelTargets(labels: ArrayLike<number>, classes: number, smoothing: number): Targets {
  return {
    classes,
    fill(row, into) {
      into.fill(smoothing / classes);
      const label = labels[row] as number;
      into[label] = (into[label] as number) + 1 - smoothing;
    },
  };
}
