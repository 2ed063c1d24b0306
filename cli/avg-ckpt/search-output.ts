import { effectiveModels } from '../../src/average/index.ts';
import type { FieldRow } from '../../src/core/index.ts';
import { wilson } from '../../src/evaluate/index.ts';
import type { Evaluated, SearchResult } from '../../src/search/index.ts';
import type { ModelScores } from '../eval-ckpt/evaluation-record.ts';
import { evaluationText } from '../eval-ckpt/evaluation-text.ts';
import { textTable } from '../shared/text-table.ts';

/** Candidates that are shown; the CSV has all. */
const SHOWN = 10;

/** One row per candidate and form, all measured on the selection split. */
export function candidateRows({ evaluated, best, bestSingle }: SearchResult, settings: FieldRow): FieldRow[] {
  return evaluated.map((one) => {
    const { recipe, bn, metrics } = one;
    const { coefficients, divisor } = recipe.row;
    const { lo, hi } = wilson(Math.round(metrics.top1 * metrics.n), metrics.n);
    return {
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
  });
}

/** What people call a candidate. */
export function candidateName({ recipe, bn }: Evaluated): string {
  return bn === 'average' ? recipe.name : `${recipe.name}, ${bn === 'repair' ? 'repaired' : 'recalibrated'}`;
}

const percent = (value: number): string => (100 * value).toFixed(2);

/** The best candidates on the selection split, and the comparison on the report split. */
export function searchText(result: SearchResult, scores: readonly ModelScores[]): string {
  const ranked = result.evaluated.toSorted((a, b) => b.metrics.top1 - a.metrics.top1 || a.metrics.nll - b.metrics.nll);
  const [first] = ranked;
  const table = textTable(
    ['candidate', 'BN', 'snapshots', 'top-1 %', 'NLL', 'ECE'],
    ranked
      .slice(0, SHOWN)
      .map(({ recipe, bn, metrics }) => [
        recipe.name,
        bn,
        String(recipe.row.coefficients.filter((value) => value !== 0).length),
        percent(metrics.top1),
        metrics.nll.toFixed(4),
        metrics.ece.toFixed(4),
      ]),
  );
  return (
    `the best of ${result.evaluated.length} on the selection split (${first?.metrics.n} images):\n${table}\n` +
    `on the report split, which chose nothing:\n${evaluationText(scores)}\n`
  );
}
