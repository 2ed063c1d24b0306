import { basename } from 'node:path';
import { effectiveModels } from '../average/index.ts';
import { type FieldRow, shortNames, version } from '../core/index.ts';
import { transformFields } from '../data/index.ts';
import { type GuardVerdict, type ModelScores, scoreModels, wilson } from '../evaluate/index.ts';
import type { WrittenModel } from '../onnx/index.ts';
import type { ModelReading } from '../signature/index.ts';
import type { CandidateData, halves } from './candidate-data.ts';
import type { Family } from './recipes.ts';
import type { CachedMetrics } from './results-cache.ts';
import type { Reported, SearchResult } from './run-search.ts';
import type { BnVariant, Evaluated } from './scorer.ts';

/** A candidate in one of its forms, measured on the selection split. */
export interface SearchedCandidate {
  /** What people call it: `uniform, recalibrated`. */
  readonly name: string;
  readonly family: Family;
  readonly bn: BnVariant;
  readonly metrics: CachedMetrics;
  /** The row of the table. */
  readonly fields: FieldRow;
}

/** What a search found, and what it wrote. */
export interface SearchRecord {
  readonly output: WrittenModel;
  /** In the order of evaluation. */
  readonly candidates: readonly SearchedCandidate[];
  /** The one that was written. */
  readonly chosen: SearchedCandidate;
  readonly best: SearchedCandidate;
  readonly bestSingle: SearchedCandidate;
  readonly uniform: SearchedCandidate;
  /** On images that chose nothing: the best single snapshot, the uniform average, the best; equal ones once. */
  readonly report: readonly ModelScores[];
  /** The best against the best single, on the report split; undefined if they are the same. */
  readonly verdict: GuardVerdict | undefined;
  /** The snapshots of the soups, in the order in which they were taken. */
  readonly greedySoup: readonly string[] | undefined;
  readonly prunedSoup: readonly string[] | undefined;
  /** Of every snapshot in the chosen average. */
  readonly weights: Readonly<Record<string, number>>;
  /** Reads of single snapshots. */
  readonly snapshotReads: number;
  readonly evaluations: number;
  readonly fromCache: number;
  /** How the snapshots were read, each fact with its source. */
  readonly reading: ModelReading;
  /** The file that a later search goes on from. */
  readonly cache: string;
  /** What is odd about labels and pictures, in sentences; options are named in backticks. */
  readonly warnings: readonly string[];
  /** Wall time before the output was written, and the part of it that evaluating took. */
  readonly seconds: number;
  readonly evaluatingSeconds: number;
}

export type SearchData = CandidateData<ReturnType<typeof halves>>;

/** What people call a candidate. */
export function candidateName({ recipe, bn }: Evaluated): string {
  return bn === 'average' ? recipe.name : `${recipe.name}, ${bn === 'repair' ? 'repaired' : 'recalibrated'}`;
}

/** What the output says about how it was chosen: nothing that a second run would not find again. */
export function chosenBy(result: SearchResult, chosen: Evaluated, data: SearchData, facts: FieldRow) {
  const { best, bestSingle, verdict, evaluated } = result;
  return {
    command: 'search',
    ...facts,
    candidates: evaluated.length,
    candidate: candidateName(chosen),
    family: chosen.recipe.family,
    statistics: chosen.bn,
    selection: { n_images: best.metrics.n, top1: chosen.metrics.top1, nll: chosen.metrics.nll },
    report: verdict
      ? {
          n_images: verdict.paired.n,
          best: candidateName(best),
          best_single: candidateName(bestSingle),
          top1_best: verdict.after,
          top1_best_single: verdict.before,
          mcnemar_p: verdict.paired.p,
          better: verdict.better,
        }
      : null,
    data: { val: basename(data.val.dataset.source), ...data.settings, bn: data.trainSettings ?? null },
  };
}

/** What all rows share: the data, the transform, and what it ran on. */
export function settingFields({ val: { dataset }, transform }: SearchData, facts: FieldRow): FieldRow {
  return {
    data: basename(dataset.source),
    data_table_sha256: dataset.tableHash(),
    ...transformFields(transform),
    ...facts,
    version,
  };
}

/** One record per candidate and form, all measured on the selection split. */
export function searchedCandidates(
  { evaluated, best, bestSingle }: Pick<SearchResult, 'evaluated' | 'best' | 'bestSingle'>,
  settings: FieldRow,
): SearchedCandidate[] {
  return evaluated.map((one) => {
    const { recipe, bn, metrics } = one;
    const { coefficients, divisor } = recipe.row;
    const { lo, hi } = wilson(Math.round(metrics.top1 * metrics.n), metrics.n);
    const fields: FieldRow = {
      candidate: recipe.name,
      family: recipe.family,
      parameter: recipe.parameter,
      bn,
      n_snapshots: coefficients.filter((value) => value !== 0).length,
      effective_models: effectiveModels(recipe.row),
      n_images: metrics.n,
      top1: metrics.top1,
      top1_lo: lo,
      top1_hi: hi,
      top5: metrics.top5,
      nll: metrics.nll,
      brier: metrics.brier,
      ece15: metrics.ece,
      best: one === best,
      best_single: one === bestSingle,
      weights: coefficients.map((value) => String(value / divisor)).join(' '),
      ...settings,
    };
    return { name: candidateName(one), family: recipe.family, bn, metrics, fields };
  });
}

/** What was found, as plain data. @param files of the snapshots, in plan order */
export function foundRecord(
  result: SearchResult,
  chosen: Evaluated,
  files: readonly string[],
  settings: FieldRow,
  seed: number,
): Omit<SearchRecord, 'output' | 'reading' | 'snapshotReads' | 'cache' | 'warnings' | 'seconds' | 'evaluatingSeconds'> {
  const { evaluated, best, bestSingle, uniform, report, verdict, greedy, pruned, evaluations, fromCache } = result;
  const candidates = searchedCandidates(result, settings);
  const of = (one: Evaluated): SearchedCandidate => candidates[evaluated.indexOf(one)] as SearchedCandidate;
  const names = shortNames(files);
  const soup = (members: readonly number[] | undefined): string[] | undefined =>
    members?.map((i) => names[i] as string);
  const { coefficients, divisor } = chosen.recipe.row;
  const measured = [...new Set<Reported>([report.bestSingle, report.uniform, report.best])];
  return {
    candidates,
    chosen: of(chosen),
    best: of(best),
    bestSingle: of(bestSingle),
    uniform: of(uniform),
    report: scoreModels(
      measured.map((one) => ({
        model: candidateName(one.evaluated),
        predictions: one.predictions,
        timing: {},
        provenance: {},
      })),
      seed,
    ),
    verdict,
    greedySoup: soup(greedy?.members),
    prunedSoup: soup(pruned?.members),
    weights: Object.fromEntries(names.map((name, i) => [name, (coefficients[i] as number) / divisor])),
    evaluations,
    fromCache,
  };
}
