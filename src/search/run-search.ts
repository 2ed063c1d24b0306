import type { Row } from '../average/index.ts';
import { type GuardVerdict, guardVerdict, type LabelledBatch, type Predictions } from '../evaluate/index.ts';
import type { NamedCandidate } from './evaluator.ts';
import { type Family, type Recipe, uniformRecipe } from './recipes.ts';
import type { Replay } from './replay.ts';
import { bestOf, type Evaluated, Scorer, type ScorerSetup } from './scorer.ts';
import { greedySoup, learnedRow, prunedSoup, type Score, type Soup } from './soups.ts';

/** One of the models that are compared on the report split. */
export interface Reported {
  readonly evaluated: Evaluated;
  readonly candidate: NamedCandidate;
  readonly predictions: Predictions;
  /** That the network chose from. */
  readonly classes: number;
}

export interface SearchResult {
  /** In the order of evaluation, each candidate once per form. */
  readonly evaluated: readonly Evaluated[];
  readonly best: Evaluated;
  readonly bestSingle: Evaluated;
  readonly uniform: Evaluated;
  /** On the report split: the best single, the uniform average, the best. Equal ones are one object. */
  readonly report: { readonly bestSingle: Reported; readonly uniform: Reported; readonly best: Reported };
  /** The best against the best single, on the report split; undefined if they are the same. */
  readonly verdict: GuardVerdict | undefined;
  readonly greedy: Soup | undefined;
  readonly pruned: Soup | undefined;
  /** Snapshots read from disk or memory to make candidates, each pass over one counted. */
  readonly reads: number;
  readonly evaluations: number;
  readonly fromCache: number;
}

/** A search that is set up: nothing is read from files, or written, but the cache. */
export interface SearchSetup extends ScorerSetup {
  /** Candidates that are known before: every single snapshot, then the averages. */
  readonly recipes: readonly Recipe[];
  readonly families: ReadonlySet<Family>;
  readonly report: Replay<LabelledBatch>;
}

const metricsOf = (evaluated: readonly Evaluated[]): Score[] => evaluated.map(({ metrics }) => metrics);

/** Averages that follow from scores: greedy and pruned soups, and learned weights. */
async function searchSoups(
  scorer: Scorer,
  { families, recipes }: SearchSetup,
  singles: readonly Evaluated[],
): Promise<Pick<SearchResult, 'greedy' | 'pruned'>> {
  if (singles.length < 2) return { greedy: undefined, pruned: undefined };
  const scoreAs =
    (family: Family) =>
    async (rows: readonly Row[]): Promise<Score[]> =>
      metricsOf(await scorer.score(rows.map((row) => ({ family, name: row.name, parameter: undefined, row }))));
  const names = recipes.filter(({ family }) => family === 'single').map(({ name }) => name);
  const scores = metricsOf(singles);
  const greedy = families.has('greedy') ? await greedySoup(names, scores, scoreAs('greedy')) : undefined;
  const pruned = families.has('pruned') ? await prunedSoup(names, scores, scoreAs('pruned')) : undefined;
  if (families.has('learned')) await learnedRow(bestOf(scorer.evaluated).recipe.row, scoreAs('learned'));
  return { greedy, pruned };
}

/**
 * Searches for the best average: every candidate is scored on the selection split; the best of them, the best single snapshot and
 * the uniform average are then compared on the report split, which no choice has seen.
 *
 * Memory: `memoryBytes` of candidates, and what the replays keep.
 * @throws TemperError as makeCandidates, openSession, evaluateModels, recalibrateByBatch
 */
export async function runSearch(setup: SearchSetup): Promise<SearchResult> {
  const { ingredients, recipes, evaluator } = setup;
  const scorer = new Scorer(setup);
  const scored = await scorer.score([...recipes, uniformRecipe(ingredients.snapshots)]);
  const uniform = scored.pop() as Evaluated;
  const singles = scored.filter((_, i) => recipes[i]?.family === 'single');
  const soups = await searchSoups(scorer, setup, singles);

  const best = bestOf(scorer.evaluated);
  const bestSingle = bestOf(singles);
  const reported = new Map<Evaluated, Reported>();
  for (const evaluated of new Set([bestSingle, uniform, best])) {
    const candidate = await scorer.candidate(evaluated);
    await evaluator.evaluate([candidate], setup.report, (predictions, _, { classes }) => {
      reported.set(evaluated, { evaluated, candidate, predictions, classes });
    });
  }
  const of = (evaluated: Evaluated): Reported => reported.get(evaluated) as Reported;
  return {
    evaluated: scorer.evaluated,
    best,
    bestSingle,
    uniform,
    report: { bestSingle: of(bestSingle), uniform: of(uniform), best: of(best) },
    verdict: best === bestSingle ? undefined : guardVerdict(of(bestSingle).predictions, of(best).predictions),
    ...soups,
    reads: scorer.reads,
    evaluations: scorer.evaluations,
    fromCache: scorer.fromCache,
  };
}
