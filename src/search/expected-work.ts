import { type Family, knownRecipes, type Recipe } from './recipes.ts';
import type { BnVariant } from './scorer.ts';
import { learnedTrials } from './soups.ts';

/** What a search is going to evaluate, as far as it is known before. */
export interface ExpectedWork {
  /** Every candidate that is known, in each of its forms, and a guess for those that follow from scores. */
  readonly total: number;
  /** For people. */
  readonly text: string;
}

const FORMS: Readonly<Record<BnVariant, string>> = {
  average: 'averaged statistics',
  recalibrate: 'measured statistics',
  repair: 'repaired convolutions',
};

/** Averages that depend on scores: from how many snapshots on there are any that are not known, and how many. */
const FROM_SCORES: readonly {
  readonly family: Family;
  readonly least: number;
  readonly count: (n: number) => number;
  readonly amount: 'up to' | 'about';
}[] = [
  { family: 'greedy', least: 3, count: (n) => n - 1, amount: 'up to' },
  // One round; another one follows if a snapshot was taken out.
  { family: 'pruned', least: 3, count: (n) => n, amount: 'about' },
  { family: 'learned', least: 2, count: learnedTrials, amount: 'up to' },
];

const eachWith = (forms: readonly BnVariant[]): string =>
  forms.length > 1 ? `, each with ${forms.map((form) => FORMS[form]).join(' and with ')}` : '';

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** Counts the work before it begins. Pure. @param n snapshots */
export function expectedWork(
  recipes: readonly Recipe[],
  families: ReadonlySet<Family>,
  n: number,
  forms: readonly BnVariant[],
): ExpectedWork {
  const known = knownRecipes(recipes, n);
  const averages = known.length - n;
  const later = FROM_SCORES.filter(({ family, least }) => families.has(family) && n >= least);
  const count = known.length + later.reduce((sum, one) => sum + one.count(n), 0);
  const guesses = later.map(({ family, count: of, amount }) => `${amount} ${of(n)} ${family}`);
  const more = guesses.length > 0 ? `; averages that follow from these scores: ${guesses.join(', ')}` : '';
  return {
    total: count * forms.length,
    text: `${counted(n, 'snapshot')} and ${counted(averages, 'average')} to evaluate${eachWith(forms)}: ${counted(known.length * forms.length, 'evaluation')}${more}`,
  };
}

/** Counts the work of one worker: its share of the candidates that are known before. Pure. @param mine those of the worker */
export function expectedShare(mine: number, inAll: number, forms: readonly BnVariant[]): ExpectedWork {
  return {
    total: mine * forms.length,
    text: `${mine} of ${counted(inAll, 'candidate')} to evaluate${eachWith(forms)}: ${counted(mine * forms.length, 'evaluation')}`,
  };
}
