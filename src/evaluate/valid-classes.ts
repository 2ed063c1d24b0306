import { readError, readSmallFile, TemperError } from '../core/index.ts';
import type { ChosenData } from '../data/index.ts';
import type { ValidClasses } from './predictions.ts';

function readIndices(path: string): number[] {
  let words: string[];
  try {
    words = readSmallFile(path).toString('utf8').split(/\s+/).filter(Boolean);
  } catch (error) {
    throw readError(path, error);
  }
  const bad = words.find((word) => !/^\d+$/.test(word));
  if (bad === undefined) return words.map(Number);
  throw new TemperError('FORMAT_TABLE', `${path}: ${JSON.stringify(bad)} is no class index`, {
    hint: 'Write the indices of the classes that count, one a line.',
    details: { path },
  });
}

/**
 * Reads class indices of the model, one a line. A label is a place among them where the data names just as many classes
 * (timm's ImageNet-A and -R folders); with a class map, and where there are no names, it is a class of the model.
 * @throws TemperError INPUT_*, FORMAT_TABLE; MISMATCH_VALUE for a label that is none of them
 */
export function readValidClasses(path: string, { dataset, rows }: ChosenData): ValidClasses {
  const classes = readIndices(path);
  const places = dataset.classesFrom !== 'map' && dataset.classes?.length === classes.length;
  const known = new Set(places ? classes.keys() : classes);
  const bad = rows.find((row) => !known.has(dataset.sample(row).label as number));
  if (bad !== undefined) {
    const what = `${dataset.describeRow(bad)}: label ${dataset.sample(bad).label} is none of the ${classes.length} in ${path}`;
    throw new TemperError('MISMATCH_VALUE', `${dataset.source}: ${what}`, {
      hint: 'Name the subset of this data set, choose its rows (`rows`), or translate its labels (`classes`).',
      details: { path, row: bad },
    });
  }
  return { classes, labels: places ? 'position' : 'class' };
}
