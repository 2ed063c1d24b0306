/** Coordinates, and which direction of each is better. */
interface Directions {
  readonly x: 'higher' | 'lower';
  readonly y: 'higher' | 'lower';
}

interface FrontPoint {
  readonly x: number;
  readonly y: number;
}

/**
 * Which points are on the Pareto front: no other on it is better in y and as good in x, or better in x and as good in y. Of equal points
 * all are; none is NaN. O(n · length of the front).
 * @param beyond whether one point is better in x than another, by their indices, where x is measured: noise puts nothing on the front
 */
export function paretoFront(
  points: readonly FrontPoint[],
  better: Directions,
  beyond?: (one: number, other: number) => boolean,
): boolean[] {
  const sign = { x: better.x === 'higher' ? 1 : -1, y: better.y === 'higher' ? 1 : -1 };
  const goodness = points.map(({ x, y }, index) => ({ x: sign.x * x, y: sign.y * y, index }));
  const isBeyond = (one: number, other: number): boolean => {
    const [a, b] = [goodness[one], goodness[other]] as [(typeof goodness)[number], (typeof goodness)[number]];
    return a.x > b.x && (beyond === undefined || beyond(one, other));
  };
  // What is no number is on no front.
  const order = goodness
    .filter(({ x, y }) => !Number.isNaN(x) && !Number.isNaN(y))
    .toSorted((a, b) => b.y - a.y || b.x - a.x);
  const front: number[] = [];
  for (let at = 0; at < order.length; ) {
    const start = at;
    const { y } = order[at] as (typeof order)[number];
    while (order[at]?.y === y) at++;
    const further = order.slice(start, at).filter(({ index }) => front.every((other) => isBeyond(index, other)));
    const [leader] = further;
    if (leader) front.push(...further.map(({ index }) => index).filter((index) => !isBeyond(leader.index, index)));
  }
  return points.map((_, i) => front.includes(i));
}
