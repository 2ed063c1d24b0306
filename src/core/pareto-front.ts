/** Coordinates, and which direction of each is better. */
interface Directions {
  readonly x: 'higher' | 'lower';
  readonly y: 'higher' | 'lower';
}

/**
 * Which points are on the Pareto front: no other is at least as good in both and better in one. Of equal points all are.
 * O(n log n).
 */
export function paretoFront(
  points: readonly { readonly x: number; readonly y: number }[],
  better: Directions,
): boolean[] {
  const goodness = points.map(({ x, y }, index) => ({
    x: better.x === 'higher' ? x : -x,
    y: better.y === 'higher' ? y : -y,
    index,
  }));
  goodness.sort((a, b) => b.x - a.x || b.y - a.y);
  const front = new Array<boolean>(points.length).fill(false);
  let best = { x: Number.NaN, y: Number.NEGATIVE_INFINITY };
  for (const point of goodness) {
    const equal = point.x === best.x && point.y === best.y;
    if (point.y <= best.y && !equal) continue;
    front[point.index] = true;
    best = point;
  }
  return front;
}
