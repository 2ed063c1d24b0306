export interface CostAndGain {
  /** Larger is better. */
  readonly speed: number;
  readonly accuracy: number;
}

/** Of each point, whether no other is at least as good in both and better in one. */
export function paretoFront(points: readonly CostAndGain[]): boolean[] {
  return points.map(
    (point) =>
      !points.some(
        (other) =>
          other.speed >= point.speed &&
          other.accuracy >= point.accuracy &&
          (other.speed > point.speed || other.accuracy > point.accuracy),
      ),
  );
}
