import type { ModelScores } from '../../src/evaluate/index.ts';
import { textTable } from './text-table.ts';

const percent = (value: unknown): string => (typeof value === 'number' ? (100 * value).toFixed(2) : '');
const fixed = (value: unknown, digits: number): string => (typeof value === 'number' ? value.toFixed(digits) : '');
const probability = (p: unknown): string => (typeof p === 'number' && p < 1e-4 ? '<0.0001' : fixed(p, 4));

/** The table of scores, and that of the comparisons with the first model. */
export function scoreText(scores: readonly ModelScores[]): string {
  const table = textTable(
    ['model', 'top-1 %', '95 % interval', 'top-5 %', 'NLL', 'Brier', 'ECE (ideal)', 'img/s', 'p50 ms'],
    scores.map(({ fields: f }) => [
      String(f.model),
      percent(f.top1),
      `${percent(f.top1_lo)} to ${percent(f.top1_hi)}`,
      percent(f.top5),
      fixed(f.nll, 4),
      fixed(f.brier, 4),
      `${fixed(f.ece15, 4)} (${fixed(f.ece15_if_calibrated, 4)})`,
      fixed(f.img_s_model, 1),
      fixed(f.ms_p50, 2),
    ]),
  );
  const pairs = scores.filter(({ paired }) => paired);
  if (pairs.length === 0) return table;
  const paired = textTable(
    [`against ${String(pairs[0]?.fields.baseline)}`, 'top-1 points', '95 % interval', 'p (Holm)', 'smallest visible'],
    pairs.map(({ fields: f }) => [
      String(f.model),
      percent(f.top1_difference),
      `${percent(f.top1_difference_lo)} to ${percent(f.top1_difference_hi)}`,
      probability(f.mcnemar_p_holm),
      Number(f.smallest_difference) > 1 ? 'none' : percent(f.smallest_difference),
    ]),
  );
  return `${table}\n${paired}`;
}
