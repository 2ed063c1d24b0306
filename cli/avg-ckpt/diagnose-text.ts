import type { Diagnosis } from '../../src/average/index.ts';
import { textTable } from '../shared/text-table.ts';
import { shortPaths } from './short-paths.ts';

/** Tensors listed: those that differ most. */
const WIDEST = 10;

/** Distances, angles, what differs most, and warnings. */
export function diagnosisText({ snapshots, cosine, tensors, warnings }: Diagnosis): string {
  const label = (i: number): string => `#${i + 1}`;
  const { heading, names } = shortPaths(snapshots.map(({ path }) => path));
  const files = textTable(
    ['', 'snapshot', 'distance from mean', 'median cosine'],
    snapshots.map(({ distance, median_cosine }, i) => [
      label(i),
      names[i] ?? '',
      distance.toFixed(4),
      median_cosine.toFixed(4),
    ]),
  );
  const pairs = textTable(
    ['cosine', ...snapshots.map((_, i) => label(i))],
    cosine.map((row, i) => [label(i), ...row.map((value) => value.toFixed(3))]),
  );
  const widest = textTable(
    ['tensors that differ most', 'spread / norm of mean'],
    tensors.slice(0, WIDEST).map(({ tensor, spread }) => [tensor, spread.toFixed(4)]),
  );
  const found = [
    ...snapshots.flatMap(({ path, warnings: own }) => own.map((text) => `warning: ${path}: ${text}`)),
    ...warnings.map((text) => `warning: ${text}`),
  ];
  return `${heading}${[files, pairs, widest].join('\n')}\n${found.length > 0 ? found.join('\n') : 'no warnings'}\n`;
}
