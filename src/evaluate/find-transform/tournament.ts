import { type Size, type Transform, transformHash } from '../../data/index.ts';
import { mean } from '../metrics.ts';
import { concatPredictions, type Predictions } from '../predictions.ts';
import { distinct, filterGrid, geometryGrid, sizeGrid, valueGrid } from './grid.ts';
import { imageLosses, isClearlyWorse } from './losses.ts';

/** Runs transforms over the same images; those that the network fails on are absent. */
export type RunTransforms = (
  transforms: readonly Transform[],
  rows: Uint32Array,
) => Promise<ReadonlyMap<string, Predictions>>;

export interface Field {
  /** What is compared with everything: what the options and the files say. */
  readonly given: Transform;
  /** Further transforms that somebody names: what files say where options differ. */
  readonly named: readonly Transform[];
  /** Whether the network takes other sizes than the given one. */
  readonly openSize: boolean;
  readonly labelled: boolean;
}

export interface Tournament {
  /** Best first; what was given is among them, last where others are better. */
  readonly finalists: readonly Transform[];
  /** Distinct preprocessings that ran. */
  readonly tried: number;
}

/** Evaluations of the selection half that choosing may cost; with five finalists on the other half that is four of the sample. */
const SELECTION_PASSES = 3;
/** Of them, for all and for the semifinalists: wrong values cost far more than wrong margins, so that few images tell them. */
const VALUE_SHARES = [0.2, 0.2] as const;
const GEOMETRY_SHARES = [0.25, 0.35] as const;
/** Each with both filters is a finalist. */
const CHOSEN = 2;
/** A candidate that leaves a round fewer images than this is not tried: of a much larger input one costs as much as all the others. */
const LEAST_IMAGES = 6;
/** Where the half has few images: the part of a round's share that is not for sale. */
const LEAST_PART = 1 / 8;
/** How many go on to the second round of values, and of geometry. */
const SEMIFINALISTS = 5;

/** Larger inputs cost more than an evaluation with what was given. */
export const costOf = ({ crop }: Transform, given: Transform): number =>
  Math.max(1, (crop.width * crop.height) / (given.crop.width * given.crop.height));

interface Ranked {
  readonly transform: Transform;
  readonly losses: Float64Array;
}

/** Takes images of the selection half, each once, and spends no more than its share in a round. */
function rounds({ given, labelled }: Field, rows: Uint32Array, run: RunTransforms) {
  const seen = new Map<string, Predictions[]>();
  let at = 0;
  /** The transforms with what is known of them, best first. `fresh`: only this round's images count. */
  async function round(transforms: readonly Transform[], share: number, fresh: boolean): Promise<Ranked[]> {
    const budget = share * SELECTION_PASSES * rows.length;
    if (fresh) seen.clear();
    const least = Math.min(LEAST_IMAGES, Math.ceil(share * rows.length * LEAST_PART));
    const affordable: Transform[] = [];
    let cost = 0;
    for (const transform of transforms) {
      if (affordable.length > 0 && least * (cost + costOf(transform, given)) > budget) continue;
      affordable.push(transform);
      cost += costOf(transform, given);
    }
    // Few candidates could afford all images: those of later rounds are left.
    const most = Math.min(rows.length - at, Math.ceil(share * rows.length));
    const images = Math.min(most, Math.max(1, Math.floor(budget / cost)));
    if (images > 0) {
      const predictions = await run(affordable, rows.subarray(at, at + images));
      for (const transform of affordable) {
        const hash = transformHash(transform);
        const found = predictions.get(hash);
        if (found) seen.set(hash, [...(seen.get(hash) ?? []), found]);
        else seen.delete(hash);
      }
    }
    at += images;
    const ranked = affordable.flatMap((transform) => {
      const parts = seen.get(transformHash(transform));
      return parts ? [{ transform, losses: imageLosses(concatPredictions(parts), labelled) }] : [];
    });
    return ranked.sort((a, b) => mean(a.losses) - mean(b.losses));
  }
  return async (transforms: readonly Transform[], [all, few]: readonly [number, number]): Promise<Ranked[]> => {
    const first = await round(transforms, all, true);
    return round(
      first.slice(0, SEMIFINALISTS).map(({ transform }) => transform),
      few,
      false,
    );
  };
}

/**
 * Chooses preprocessings on the selection half, in two rounds of values and colours and two of sizes and margins: in each, few images for
 * all and more for the best five; at most {@link SELECTION_PASSES} evaluations of the half. The last candidates get both usual
 * filters, which no such number of images could tell apart.
 * @param rows of the selection half, in an order that knows no class
 */
export async function playTournament(field: Field, rows: Uint32Array, run: RunTransforms): Promise<Tournament> {
  const { given, named, openSize } = field;
  const hashes = new Set<string>();
  const counted: RunTransforms = (transforms, images) => {
    for (const transform of transforms) hashes.add(transformHash(transform));
    return run(transforms, images);
  };
  const halving = rounds(field, rows, counted);
  // What files say counts value by value, too: their size may be one of which a single image is all that can be paid for.
  const valued = named.map(({ mean: m, std, color }): Transform => ({ ...given, mean: m, std, color }));
  const [best, second] = await halving(distinct([given, ...valued, ...valueGrid(given)]), VALUE_SHARES);
  if (!best) return { finalists: [given], tried: hashes.size };
  const values = second && !isClearlyWorse(best.losses, second.losses) ? [best, second] : [best];
  const sizes: readonly Size[] = openSize ? [given.crop, ...sizeGrid(given)] : [given.crop];
  const grids = values.map(({ transform }) => [
    ...geometryGrid(transform, sizes),
    ...named.map((one): Transform => ({ ...one, mean: transform.mean, std: transform.std, color: transform.color })),
  ]);
  const geometries = differing(await halving(distinct(interleaved(grids)), GEOMETRY_SHARES));
  // Where two values could not be told apart each has its best margin, else the best two margins go on.
  const firsts = geometries.filter((one, i) => geometries.findIndex((other) => sameValues(one, other)) === i);
  const chosen = (firsts.length > 1 ? firsts : geometries).slice(0, CHOSEN);
  const framed = chosen.flatMap(({ transform }) => filterGrid(transform));
  return { finalists: distinct([...framed, given]), tried: hashes.size };
}

const sameValues = ({ transform: a }: Ranked, { transform: b }: Ranked): boolean =>
  a.color === b.color && a.mean.join() === b.mean.join() && a.std.join() === b.std.join();

/** Without those that gave every image what a better one gave: square pictures are squashed and cropped alike. */
const differing = (ranked: readonly Ranked[]): Ranked[] =>
  ranked.filter(
    ({ losses }, i) =>
      !ranked.slice(0, i).some((before) => before.losses.every((loss, image) => loss === losses[image])),
  );

/** The first of all, the second of all, …: what a small sample cuts off is the end. */
function interleaved<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
