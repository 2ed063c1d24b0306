import { createHash } from 'node:crypto';
import { type Row, rowKey } from '../average/index.ts';
import type { BatchNormLayer, NumberedBatch } from '../batchnorm/index.ts';
import { type GuardVerdict, type LabelledBatch, type Predictions, computeMetrics, guardVerdict } from '../evaluate/index.ts';
import { candidateBytes, type Ingredients, makeCandidates } from './candidate-weights.ts';
import type { CandidateEvaluator, NamedCandidate } from './evaluator.ts';
import { type Family, meanOf, type Recipe } from './recipes.ts';
import type { Repairer } from './repair.ts';
import type { Replay } from './replay.ts';
import type { CachedMetrics, ResultsCache } from './results-cache.ts';
import { byAccuracy, greedySoup, learnedRow, prunedSoup, type Score, type Soup } from './soups.ts';

/**
 * BatchNormalization statistics: averaged like weights, measured for each candidate, or whichever scores better; `repair` corrects
 * convolutions that the layers were folded into.
 */
export const BN_MODES = ['average', 'recalibrate', 'auto', 'repair'] as const;
export type BnMode = (typeof BN_MODES)[number];
type BnVariant = Exclude<BnMode, 'auto'>;

const VARIANTS: Readonly<Record<BnMode, readonly BnVariant[]>> = {
  average: ['average'],
  recalibrate: ['recalibrate'],
  auto: ['average', 'recalibrate'],
  repair: ['repair'],
};

export interface SearchJob {
  readonly ingredients: Ingredients;
  readonly evaluator: CandidateEvaluator;
  /** Candidates that are known before; singles are added where a soup needs them. */
  readonly recipes: readonly Recipe[];
  readonly families: ReadonlySet<Family>;
  readonly bn: BnMode;
  readonly layers: readonly BatchNormLayer[];
  readonly selection: Replay<LabelledBatch>;
  readonly report: Replay<LabelledBatch>;
  readonly bnImages: Replay<NumberedBatch> | undefined;
  /** For `repair`. */
  readonly repairer?: Repairer | undefined;
  /** Bytes for candidates that are made at a time. */
  readonly memoryBytes: number;
  readonly cache: ResultsCache | undefined;
  /** What predictions depend on beside the candidate: data, transform, provider. */
  readonly settingsHash: string;
  /** What recalibration depends on beside the candidate. */
  readonly bnHash: string;
  readonly onEvaluated?: ((evaluations: number) => void) | undefined;
}

/** One candidate in one form, scored on the selection split. */
export interface Evaluated {
  readonly recipe: Recipe;
  readonly bn: BnVariant;
  readonly metrics: CachedMetrics;
  /** Known from an earlier search. */
  readonly cached: boolean;
}

/** One of the models that are compared on the report split. */
export interface Reported {
  readonly evaluated: Evaluated;
  readonly candidate: NamedCandidate;
  readonly predictions: Predictions;
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

function contentHash({ graph, weights }: NamedCandidate): string {
  return createHash('sha256').update(graph).update(weights).digest('hex');
}

/** Makes, caches and scores candidates. */
class Scorer {
  readonly evaluated: Evaluated[] = [];
  reads = 0;
  evaluations = 0;
  fromCache = 0;
  private readonly job: SearchJob;
  private readonly known = new Map<string, readonly Evaluated[]>();

  constructor(job: SearchJob) {
    this.job = job;
  }

  /** The better form of each recipe. */
  async score(recipes: readonly Recipe[]): Promise<Evaluated[]> {
    const fresh = new Map<string, Recipe>();
    for (const recipe of recipes) {
      const key = rowKey(recipe.row);
      if (!this.known.has(key) && !fresh.has(key)) fresh.set(key, recipe);
    }
    const pending = [...fresh.values()];
    const { ingredients, memoryBytes } = this.job;
    // A recalibrated copy of one candidate exists beside the others.
    const atOnce = Math.max(1, Math.floor(memoryBytes / Math.max(1, candidateBytes(ingredients))) - 1);
    for (let at = 0; at < pending.length; at += atOnce) await this.batch(pending.slice(at, at + atOnce));
    return recipes.map((recipe) => {
      const [first, ...others] = this.known.get(rowKey(recipe.row)) ?? [];
      if (!first) throw new Error(`${recipe.name} was not evaluated`);
      return others.reduce((best, other) => (byAccuracy(best.metrics, other.metrics) > 0 ? other : best), first);
    });
  }

  private async batch(recipes: readonly Recipe[]): Promise<void> {
    const { ingredients, bn, cache, settingsHash, bnHash, evaluator, selection } = this.job;
    const { candidates, reads } = await makeCandidates(
      ingredients,
      recipes.map(({ row }) => row),
    );
    this.reads += reads;
    const named = candidates.map((candidate, i) => ({ ...candidate, name: (recipes[i] as Recipe).name }));
    const hashes = named.map(contentHash);
    const variants = VARIANTS[bn];
    const goals = new Map<number, string>();
    if (bn === 'repair')
      for (const [i, { row }] of recipes.entries()) goals.set(i, await this.repairer().goalsHash(row));
    const keyOf = (i: number, variant: BnVariant): string =>
      createHash('sha256')
        .update(JSON.stringify([hashes[i], settingsHash, variant, variant === 'average' ? null : bnHash, goals.get(i)]))
        .digest('hex');
    const results = new Map<string, CachedMetrics>();
    const cached = new Set<string>();
    for (const variant of variants) {
      const keys = named.map((_, i) => keyOf(i, variant));
      for (const key of keys) {
        const metrics = cache?.get(key);
        if (!metrics) continue;
        results.set(key, metrics);
        cached.add(key);
      }
      const missing = [...keys.keys()].filter((i) => !results.has(keys[i] as string));
      const take = (i: number, predictions: Predictions): void => {
        const metrics = computeMetrics(predictions);
        const key = keys[i] as string;
        results.set(key, metrics);
        cache?.put(key, metrics);
        this.job.onEvaluated?.(++this.evaluations);
      };
      if (variant === 'average') {
        await evaluator.evaluate(
          missing.map((i) => named[i] as NamedCandidate),
          selection,
          (predictions, k) => take(missing[k] as number, predictions),
        );
      } else {
        for (const i of missing) {
          const candidate = await this.adapted(named[i] as NamedCandidate, variant, (recipes[i] as Recipe).row);
          await evaluator.evaluate([candidate], selection, (predictions) => take(i, predictions));
        }
      }
    }
    for (const [i, recipe] of recipes.entries()) {
      const forms = variants.map((variant): Evaluated => {
        const key = keyOf(i, variant);
        if (cached.has(key)) this.fromCache++;
        return { recipe, bn: variant, metrics: results.get(key) as CachedMetrics, cached: cached.has(key) };
      });
      this.known.set(rowKey(recipe.row), forms);
      this.evaluated.push(...forms);
    }
  }

  private repairer(): Repairer {
    const { repairer } = this.job;
    if (!repairer) throw new Error('repair was asked for without images');
    return repairer;
  }

  /** A candidate in one of its forms. */
  private async adapted(candidate: NamedCandidate, variant: BnVariant, row: Row): Promise<NamedCandidate> {
    if (variant === 'average') return candidate;
    if (variant === 'repair') return this.repairer().repair(candidate, row);
    const { evaluator, layers, bnImages } = this.job;
    if (!bnImages) throw new Error('recalibration was asked for without images');
    return (await evaluator.recalibrate(candidate, layers, bnImages)).candidate;
  }

  /** The bytes of an evaluated candidate, made again. */
  async candidate({ recipe, bn }: Evaluated): Promise<NamedCandidate> {
    const { candidates, reads } = await makeCandidates(this.job.ingredients, [recipe.row]);
    this.reads += reads;
    const [made] = candidates;
    if (!made) throw new Error('one row makes one candidate');
    const named = { ...made, name: recipe.name };
    return this.adapted(named, bn, recipe.row);
  }
}

const bestOf = (evaluated: readonly Evaluated[]): Evaluated =>
  evaluated.reduce((best, other) => (byAccuracy(best.metrics, other.metrics) > 0 ? other : best));

/**
 * Searches for the best average: every candidate is scored on the selection split; the best of them, the best single snapshot and
 * the uniform average are then compared on the report split, which no choice has seen.
 *
 * Memory: `memoryBytes` of candidates, and what the replays keep.
 * @throws TemperError as makeCandidates, openSession, evaluateModels, recalibrateByBatch
 */
export async function searchAverages(job: SearchJob): Promise<SearchResult> {
  const { ingredients, recipes, families, evaluator, report } = job;
  const n = ingredients.models.length;
  const scorer = new Scorer(job);
  const singles = recipes.filter(({ family }) => family === 'single');
  const scored = await scorer.score([...recipes, uniformRecipe(n)]);
  const uniform = scored.pop() as Evaluated;
  const singleScores = scored.filter((_, i) => recipes[i]?.family === 'single');
  const metricsOf = (evaluated: readonly Evaluated[]): Score[] => evaluated.map(({ metrics }) => metrics);
  const scoreAs =
    (family: Family) =>
    async (rows: readonly Row[]): Promise<Score[]> =>
      metricsOf(await scorer.score(rows.map((row) => ({ family, name: row.name, parameter: undefined, row }))));

  const names = singles.map(({ name }) => name);
  const soups = singles.length === n && n > 1;
  const greedy =
    soups && families.has('greedy') ? await greedySoup(names, metricsOf(singleScores), scoreAs('greedy')) : undefined;
  const pruned =
    soups && families.has('pruned') ? await prunedSoup(names, metricsOf(singleScores), scoreAs('pruned')) : undefined;
  if (families.has('learned') && n > 1) await learnedRow(bestOf(scorer.evaluated).recipe.row, scoreAs('learned'));

  const best = bestOf(scorer.evaluated);
  const bestSingle = bestOf(singleScores);
  const distinct = [...new Set([bestSingle, uniform, best])];
  const reported = new Map<Evaluated, Reported>();
  for (const evaluated of distinct) {
    const candidate = await scorer.candidate(evaluated);
    await evaluator.evaluate([candidate], report, (predictions) => {
      reported.set(evaluated, { evaluated, candidate, predictions });
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
    greedy,
    pruned,
    reads: scorer.reads,
    evaluations: scorer.evaluations,
    fromCache: scorer.fromCache,
  };
}

function uniformRecipe(n: number): Recipe {
  return {
    family: 'last',
    name: 'uniform',
    parameter: n,
    row: meanOf(
      'uniform',
      n,
      Array.from({ length: n }, (_, i) => i),
    ),
  };
}
