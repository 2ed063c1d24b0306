import { random, TemperError } from '../../src/core/index.ts';
import type { ChosenData } from './data-options.ts';

/**
 * Two halves of a data set's rows, drawn by (seed, key): what was chosen on one is judged on the other.
 * @throws TemperError INPUT_TOO_FEW
 */
export function halves({ dataset, rows }: ChosenData, seed: number, purpose: string): [ChosenData, ChosenData] {
  if (rows.length < 2) {
    throw new TemperError('INPUT_TOO_FEW', `${dataset.source}: ${rows.length} image, ${purpose} needs two halves`, {
      hint: 'Give more images.',
    });
  }
  const drawn = Array.from(rows, (row) => ({ row, at: random(seed, 'half', dataset.sample(row).key).uint32() }));
  drawn.sort((a, b) => a.at - b.at || a.row - b.row);
  const half = (from: number, to: number): ChosenData => ({
    dataset,
    rows: Uint32Array.from(drawn.slice(from, to), ({ row }) => row).sort(),
  });
  const middle = Math.ceil(rows.length / 2);
  return [half(0, middle), half(middle, rows.length)];
}
