import { normalisedRow, planRows, type Row, rowKey } from '../average/index.ts';
import { type Candidate, withoutExtension } from '../snapshots/index.ts';

/** The kinds of averages, in the order in which they are made. */
export const FAMILIES = ['last', 'window', 'ema', 'power', 'robust', 'greedy', 'pruned', 'learned'] as const;
/** Single snapshots are always among the candidates: they are what an average has to beat. */
export type Family = 'single' | (typeof FAMILIES)[number];

/** A candidate before it is made: its coefficients, and what a plot puts on its axis. */
export interface Recipe {
  readonly family: Family;
  readonly name: string;
  /** k, width of the window, decay or sigma_rel. */
  readonly parameter: number | undefined;
  readonly row: Row;
}

/** Each candidate once, under its first name. */
export function distinctRecipes(recipes: readonly Recipe[]): Recipe[] {
  const byWeights = new Map<string, Recipe>();
  for (const recipe of recipes) {
    const key = rowKey(recipe.row);
    if (!byWeights.has(key)) byWeights.set(key, recipe);
  }
  return [...byWeights.values()];
}

export interface RecipeOptions {
  readonly families: readonly Family[];
  readonly last?: readonly number[] | undefined;
  readonly window?: readonly number[] | undefined;
  readonly decay?: readonly number[] | undefined;
  readonly sigmaRel?: readonly number[] | undefined;
  readonly note: (text: string) => void;
}

/** From nearly the newest alone to nearly the uniform average, for runs of ten to fifty snapshots. */
const DECAYS = [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/** The widths that EDM2 found its best models between, and wider: .2887 is the uniform average. */
const SIGMAS = [0.05, 0.1, 0.15, 0.2, 0.25];
const TRIMS = [0.1, 0.25];
/** Up to this many snapshots every k is tried; beyond, k grows by about a quarter. */
const EVERY_K = 16;

/** k of the newest, 2 to all. */
export function lastCounts(n: number): number[] {
  const counts: number[] = [];
  for (let k = 2; k < n; k = k < EVERY_K ? k + 1 : Math.ceil(k * 1.25)) counts.push(k);
  return n > 1 ? [...counts, n] : counts;
}

/** Widths of windows: a quarter and half of the run. */
function windowWidths(n: number): number[] {
  return [...new Set([Math.round(n / 4), Math.round(n / 2)])].filter((width) => width > 1 && width < n);
}

/** The mean of some snapshots: coefficients 1, so that the sum is exact. */
export function meanOf(name: string, n: number, members: Iterable<number>): Row {
  const chosen = new Set(members);
  return normalisedRow(
    name,
    Array.from({ length: n }, (_, i) => (chosen.has(i) ? 1 : 0)),
  );
}

const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);

/** The mean of all: what every search is compared with. */
export function uniformRecipe(n: number): Recipe {
  return { family: 'last', name: 'uniform', parameter: n, row: meanOf('uniform', n, range(0, n)) };
}

/** The candidates that depend on no score, each once. @param recipes as linearRecipes gives them @param n snapshots */
export const knownRecipes = (recipes: readonly Recipe[], n: number): Recipe[] =>
  distinctRecipes([...recipes, uniformRecipe(n)]);

function windows(n: number, widths: readonly number[]): Recipe[] {
  return widths.flatMap((width) => {
    const stride = Math.max(1, width >> 1);
    // The window that ends at the newest is the mean of the last `width`.
    const starts = range(0, n - width).filter((start) => (n - width - start) % stride === 0);
    return starts.map((start): Recipe => {
      const name = `window_${start + 1}_to_${start + width}`;
      return { family: 'window', name, parameter: width, row: meanOf(name, n, range(start, start + width)) };
    });
  });
}

/**
 * The candidates that are known before anything is evaluated. Pure.
 * @param snapshots in plan order
 * @throws TemperError USAGE for values out of range; families that the names' steps do not allow are noted and left out
 */
export function linearRecipes(snapshots: readonly Candidate[], options: RecipeOptions): Recipe[] {
  const n = snapshots.length;
  const wanted = new Set(options.families);
  const recipes = snapshots.map(({ name: snapshot }, i): Recipe => {
    const name = withoutExtension(snapshot);
    return { family: 'single', name, parameter: undefined, row: meanOf(name, n, [i]) };
  });
  if (wanted.has('last')) {
    for (const k of options.last ?? lastCounts(n)) {
      if (k > n) options.note(`\`last\` ${k} is left out: there are ${n} snapshots`);
      else {
        const name = k === n ? 'uniform' : `uniform_last${k}`;
        recipes.push({ family: 'last', name, parameter: k, row: meanOf(name, n, range(n - k, n)) });
      }
    }
  }
  if (wanted.has('window')) recipes.push(...windows(n, options.window ?? windowWidths(n)));
  const planned = (
    family: 'ema' | 'power' | 'robust',
    values: readonly number[],
    plan: Parameters<typeof planRows>[1],
  ): void => {
    const { rows, notes } = planRows(snapshots, { order: 'list', ...plan });
    for (const text of notes) options.note(text);
    recipes.push(...rows.map((row, i): Recipe => ({ family, name: row.name, parameter: values[i], row })));
  };
  if (wanted.has('ema') && n > 1) {
    const values = options.decay ?? DECAYS;
    planned('ema', values, { decay: values });
  }
  // Of two the median and every trimmed mean are the mean.
  if (wanted.has('robust') && n > 2) {
    planned('robust', [], { method: 'median' });
    for (const trim of TRIMS.filter((share) => Math.floor(share * n) > 0 && Math.floor(share * n) < (n - 1) >> 1))
      planned('robust', [trim], { trim });
  }
  if (wanted.has('power') && n > 1) {
    const values = options.sigmaRel ?? SIGMAS;
    try {
      planned('power', values, { sigmaRel: values });
    } catch (error) {
      // Asked for by its own option it must work; as one of the defaults it may not apply.
      if (options.sigmaRel !== undefined) throw error;
      options.note(`power-function EMAs are left out: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return recipes;
}
