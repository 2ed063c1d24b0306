import { createHash } from 'node:crypto';
import { type Row, rowKey } from '../average/index.ts';
import type { NumberedBatch, StateReader } from '../batchnorm/index.ts';
import { computeMetrics, type LabelledBatch, type Predictions } from '../evaluate/index.ts';
import type { CandidateLayers } from './candidate-layers.ts';
import { candidateBytes, type Ingredients, makeCandidates } from './candidate-weights.ts';
import type { CandidateEvaluator, NamedCandidate } from './evaluator.ts';
import { distinctRecipes, type Recipe } from './recipes.ts';
import type { Repairer } from './repair.ts';
import type { Replay } from './replay.ts';
import type { CachedMetrics, ResultsCache } from './results-cache.ts';
import { byAccuracy } from './soups.ts';

/**
 * BatchNormalization statistics: averaged like weights, measured for each candidate, or whichever scores better; `repair` corrects
 * convolutions that the layers were folded into.
 */
export const BN_MODES = ['average', 'recalibrate', 'auto', 'repair'] as const;
export type BnMode = (typeof BN_MODES)[number];
export type BnVariant = Exclude<BnMode, 'auto'>;

/** What candidates are made of, run on, and known by. */
export interface ScorerSetup {
  readonly ingredients: Ingredients;
  readonly evaluator: CandidateEvaluator;
  /** The forms that each candidate is tried in. */
  readonly forms: readonly BnVariant[];
  readonly layers: CandidateLayers;
  /** What a row's state dict holds of layers that were folded. */
  readonly foldedState: (row: Row) => Promise<StateReader | undefined>;
  readonly selection: Replay<LabelledBatch>;
  readonly trainImages: Replay<NumberedBatch> | undefined;
  /** For `repair`. */
  readonly repairer: Repairer | undefined;
  /** Bytes for candidates that are made at a time. */
  readonly memoryBytes: number;
  readonly cache: ResultsCache | undefined;
  /** What predictions depend on beside the candidate: data, transform, provider. */
  readonly settingsHash: string;
  /** What recalibration depends on beside the candidate. */
  readonly trainHash: string;
  /** Told how many candidates are scored, each form counted, known ones too. */
  readonly onScored?: ((scored: number) => void) | undefined;
}

/** One candidate in one form, scored on the selection split. */
export interface Evaluated {
  readonly recipe: Recipe;
  readonly bn: BnVariant;
  readonly metrics: CachedMetrics;
  /** Known from an earlier search. */
  readonly cached: boolean;
}

/** A candidate as it was averaged, and what tells its results apart. */
interface Made {
  readonly recipe: Recipe;
  readonly candidate: NamedCandidate;
  readonly contentHash: string;
  /** What `repair` aims at. */
  readonly goalsHash: string | undefined;
}

type Scored = Pick<Evaluated, 'metrics' | 'cached'>;

/** Makes, caches and scores candidates. */
export class Scorer {
  readonly evaluated: Evaluated[] = [];
  reads = 0;
  evaluations = 0;
  fromCache = 0;
  private readonly setup: ScorerSetup;
  private readonly known = new Map<string, readonly Evaluated[]>();

  constructor(setup: ScorerSetup) {
    this.setup = setup;
  }

  /** The better form of each recipe. */
  async score(recipes: readonly Recipe[]): Promise<Evaluated[]> {
    const { ingredients, memoryBytes } = this.setup;
    const pending = distinctRecipes(recipes).filter(({ row }) => !this.known.has(rowKey(row)));
    // A recalibrated copy of one candidate exists beside the others.
    const atOnce = Math.max(1, Math.floor(memoryBytes / Math.max(1, candidateBytes(ingredients))) - 1);
    for (let at = 0; at < pending.length; at += atOnce) await this.batch(pending.slice(at, at + atOnce));
    return recipes.map(({ name, row }) => {
      const forms = this.known.get(rowKey(row));
      if (!forms) throw new Error(`${name} was not evaluated`);
      return bestOf(forms);
    });
  }

  /** Candidates in one pass over the snapshots. */
  private async make(recipes: readonly Recipe[]): Promise<NamedCandidate[]> {
    const { candidates, reads } = await makeCandidates(
      this.setup.ingredients,
      recipes.map(({ row }) => row),
    );
    this.reads += reads;
    return candidates.map((candidate, i) => ({ ...candidate, name: (recipes[i] as Recipe).name }));
  }

  private async batch(recipes: readonly Recipe[]): Promise<void> {
    const { forms: variants } = this.setup;
    const made: Made[] = [];
    for (const [i, candidate] of (await this.make(recipes)).entries()) {
      const recipe = recipes[i] as Recipe;
      const contentHash = createHash('sha256').update(candidate.graph).update(candidate.weights).digest('hex');
      const goalsHash = variants.includes('repair') ? await this.repairer().goalsHash(recipe.row) : undefined;
      made.push({ recipe, candidate, contentHash, goalsHash });
    }
    const forms: Evaluated[][] = recipes.map(() => []);
    for (const variant of variants) {
      const scored = await this.scoreForm(variant, made);
      for (const [i, recipe] of recipes.entries())
        forms[i]?.push({ recipe, bn: variant, ...(scored.get(i) as Scored) });
    }
    for (const [i, recipe] of recipes.entries()) this.known.set(rowKey(recipe.row), forms[i] as Evaluated[]);
    this.evaluated.push(...forms.flat());
  }

  /** What results are kept under: everything that they depend on. */
  private keyOf({ contentHash, goalsHash }: Made, variant: BnVariant): string {
    const { settingsHash, trainHash } = this.setup;
    const goals = variant === 'repair' ? goalsHash : undefined;
    const parts = [contentHash, settingsHash, variant, variant === 'average' ? null : trainHash, goals];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  }

  /** All in one form, by their place: from the cache, or evaluated. */
  private async scoreForm(variant: BnVariant, made: readonly Made[]): Promise<ReadonlyMap<number, Scored>> {
    const { cache, evaluator, selection } = this.setup;
    const keys = made.map((one) => this.keyOf(one, variant));
    const scored = new Map<number, Scored>();
    for (const [i, key] of keys.entries()) {
      const metrics = cache?.get(key);
      if (!metrics) continue;
      scored.set(i, { metrics, cached: true });
      this.fromCache++;
    }
    this.tell();
    const missing = [...made.entries()].filter(([i]) => !scored.has(i));
    const take = (i: number, predictions: Predictions): void => {
      const metrics = computeMetrics(predictions);
      scored.set(i, { metrics, cached: false });
      cache?.put(keys[i] as string, metrics);
      this.evaluations++;
      this.tell();
    };
    if (variant === 'average') {
      const candidates = missing.map(([, { candidate }]) => candidate);
      await evaluator.evaluate(candidates, selection, (predictions, k) => take(missing[k]?.[0] as number, predictions));
      return scored;
    }
    for (const [i, { candidate, recipe }] of missing) {
      const adapted = await this.adapted(candidate, variant, recipe.row);
      await evaluator.evaluate([adapted], selection, (predictions) => take(i, predictions));
    }
    return scored;
  }

  private tell(): void {
    this.setup.onScored?.(this.evaluations + this.fromCache);
  }

  private repairer(): Repairer {
    const { repairer } = this.setup;
    if (!repairer) throw new Error('repair was asked for without images');
    return repairer;
  }

  /** A candidate in one of its forms. */
  private async adapted(candidate: NamedCandidate, variant: BnVariant, row: Row): Promise<NamedCandidate> {
    if (variant === 'average') return candidate;
    if (variant === 'repair') return this.repairer().repair(candidate, row);
    const { evaluator, layers, trainImages, foldedState } = this.setup;
    if (!trainImages) throw new Error('recalibration was asked for without images');
    return evaluator.recalibrate(candidate, layers, trainImages, await foldedState(row));
  }

  /** The bytes of an evaluated candidate, made again. */
  async candidate({ recipe, bn }: Evaluated): Promise<NamedCandidate> {
    const [made] = await this.make([recipe]);
    if (!made) throw new Error('one row makes one candidate');
    return this.adapted(made, bn, recipe.row);
  }
}

/** The most accurate; of equals the one with the lower NLL, then the first. */
export const bestOf = (evaluated: readonly Evaluated[]): Evaluated =>
  evaluated.reduce((best, other) => (byAccuracy(best.metrics, other.metrics) > 0 ? other : best));
