import { TemperError } from '../../core/index.ts';
import { type Dataset, relabelled } from '../../data/index.ts';
import { placesOf } from '../../signature/index.ts';
import type { ValidClasses } from '../predictions.ts';
import type { SetScores } from './options.ts';

/** Names of classes by index, and who says so. */
export interface KnownNames {
  readonly source: string;
  readonly names: readonly string[];
}

const NEITHER = 'Say with `set.classes` which index each name has: a file, or numeric where the names are the indices.';

/**
 * A set whose classes are named gets the indices that the same names have elsewhere: in the images that it is compared with, or in a model's
 * file. WordNet ids, for example, of 200 of ImageNet's classes. What a class map says stays.
 * @param count classes of the models, as far as known: as many names that are numbers, or where no others are known, are left to the check of labels
 * @throws TemperError MISMATCH_VALUE for names that nobody knows, or that two know differently
 */
export function namedAlike(set: Dataset, known: readonly KnownNames[], count: number | undefined): Dataset {
  const { classes, classesFrom, source } = set;
  if (!classes || classesFrom === 'map' || classesFrom === 'sorted') return set;
  const found = known.map((one) => ({ ...one, places: placesOf(classes, one.names) }));
  const whole = found.filter(({ places }) => !places.includes(undefined));
  const [first, ...others] = whole;
  if (!first) {
    const areNumbers = classes.every((name) => /^\d+$/.test(name));
    if (classes.length === count && (areNumbers || known.length === 0)) return set;
    const [best] = found.toSorted((a, b) => missing(a.places) - missing(b.places));
    const name = classes[best ? best.places.indexOf(undefined) : 0];
    const where = best ? `not in ${best.source}` : 'named nowhere else';
    throw new TemperError('MISMATCH_VALUE', `${source}: class ${name} of ${classes.length} is ${where}`, {
      hint: NEITHER,
      details: { path: source, name, classes: classes.length },
    });
  }
  for (const other of others) {
    const at = other.places.findIndex((place, i) => place !== first.places[i]);
    if (at < 0) continue;
    const what = `class ${classes[at]} is ${first.places[at]} in ${first.source}, and ${other.places[at]} in ${other.source}`;
    throw new TemperError('MISMATCH_VALUE', `${source}: ${what}`, {
      hint: NEITHER,
      details: { path: source, name: classes[at] },
    });
  }
  return relabelled(set, first.places as number[], first.names);
}

const missing = (places: readonly (number | undefined)[]): number =>
  places.reduce<number>((sum, place) => sum + Number(place === undefined), 0);

/** The classes that occur, ascending. */
export const occurring = (labels: Iterable<number>): number[] => [...new Set(labels)].sort((a, b) => a - b);

/**
 * What a set is scored among: its own classes, where it has some of the models' alone, as those who published such sets do (Hendrycks et al.,
 * "Natural adversarial examples", 2019, and "The many faces of robustness", 2020, on 200 of ImageNet's classes; timm's `valid_labels`).
 * @returns undefined for all @throws TemperError MISMATCH_VALUE for a single class, which is always right
 */
export function scoredAmong({
  name,
  own,
  count,
  scores,
}: {
  name: string;
  own: readonly number[];
  count: number | undefined;
  scores: SetScores;
}): ValidClasses | undefined {
  if (scores === 'all' || own.length === count) return undefined;
  if (own.length > 1) return { classes: own, labels: 'class' };
  throw new TemperError('MISMATCH_VALUE', `set ${name}: all images are of class ${own[0]}, among itself always right`, {
    hint: 'Score it among all classes: `setScores` all.',
    details: { set: name },
  });
}
