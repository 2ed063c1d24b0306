import { baseName, type Candidate, namesOf } from '../../snapshots/index.ts';
import { type CsvTable, type PlanOptions, usageError } from '../plan/plan-options.ts';
import { fileMatcher, findColumn, findFileColumn, numberOf, parseRecords, tableError } from '../plan/tables.ts';
import { normalisedRow, sum } from '../rows/row-terms.ts';
import type { Method, MethodContext } from './method.ts';

/** A sum this small beside Σ|w| is rounding: 0.1 + 0.2 − 0.3 is 5.6e-17. */
const CANCELLED = 1e-12;

/** Weights without names pair by position, so the position must be the one that the user sees. */
function checkPositions({ snapshots, candidates }: MethodContext, options: PlanOptions): void {
  if (options.order !== undefined) return;
  const positions = snapshots.map((snapshot) => candidates.indexOf(snapshot));
  if (positions.some((position, index) => index > 0 && position < (positions[index - 1] as number)))
    throw usageError(
      `\`weights\` pair with the snapshots by position, and the inputs were given in another order than the natural one (${namesOf(snapshots)})`,
      'Say `order` list or `order` natural, or give the weights as CSV with the columns file and weight.',
    );
}

function byName(name: string, files: readonly string[], weights: readonly number[], snapshots: readonly Candidate[]) {
  const find = fileMatcher(files);
  const indices = snapshots.map(find);
  const without = snapshots.filter((_, i) => indices[i] === -1);
  if (without.length > 0)
    throw usageError(
      `\`weights\` ${name}: no weight for ${namesOf(without)}`,
      'Give 0 to a snapshot that shall not count.',
    );
  const unused = files.filter((_, index) => !indices.includes(index));
  if (unused.length > 0 || new Set(indices).size < indices.length)
    throw usageError(
      `\`weights\` ${name}: ${files.length} weights do not fit ${snapshots.length} snapshots one to one${unused.length > 0 ? `; not among the snapshots, or named twice: ${unused.slice(0, 3).map(baseName).join(', ')}` : ''}`,
      'Name each selected snapshot once.',
    );
  return indices.map((index) => weights[index] as number);
}

/** Weights from CSV: a header with weight and perhaps file; or no header and `file,weight`, or only numbers. */
function readWeights(context: MethodContext, options: PlanOptions, { name, text }: CsvTable): readonly number[] {
  const records = parseRecords(name, text);
  const [first = []] = records;
  const weightHeader = findColumn(first, ['weight', 'weights']);
  if (weightHeader >= 0) {
    const body = records.slice(1);
    const weights = body.map((record) => numberOf(record[weightHeader]));
    const fileColumn = findFileColumn(first);
    if (fileColumn >= 0)
      return byName(
        name,
        body.map((record) => record[fileColumn] ?? ''),
        weights,
        context.snapshots,
      );
    checkPositions(context, options);
    return weights;
  }
  const allNumbers = records.flat().every((cell) => Number.isFinite(numberOf(cell)));
  if (allNumbers && (first.length === 1 || records.length === 1)) {
    checkPositions(context, options);
    return records.flat().map(numberOf);
  }
  if (first.length !== 2 || allNumbers)
    throw tableError(
      name,
      `cannot tell the weights in the columns ${first.join(', ')}`,
      'Give a header with file and weight.',
      {
        columns: first,
      },
    );
  return byName(
    name,
    records.map((record) => record[0] ?? ''),
    records.map((record) => numberOf(record[1])),
    context.snapshots,
  );
}

const isList = (weights: readonly number[] | CsvTable): weights is readonly number[] => Array.isArray(weights);

/**
 * Σw_i·x_i / Σw_i with weights given by the user. A weight of 0 keeps its place as a coefficient of 0.
 * @throws USAGE for a number of weights other than that of snapshots, a weight that is no finite number, a sum of 0;
 * FORMAT_TABLE for a CSV that cannot be read
 */
export const weighted: Method = {
  summary: 'a mean with given weights, normalised by their sum',
  source: 'Σw·x/Σw',
  options: ['weights'],
  impliedBy: ['weights'],
  rows: (context, options) => {
    const { snapshots, note } = context;
    const { weights: given = [] } = options;
    if (isList(given) && given.length === 0)
      throw usageError(
        '`method` weighted needs `weights`, as a list or as CSV',
        'Give `weights` 0.2,0.3,0.5, for example.',
      );
    if (isList(given)) checkPositions(context, options);
    const weights = isList(given) ? given : readWeights(context, options, given);
    if (weights.length !== snapshots.length)
      throw usageError(
        `\`weights\` has ${weights.length} weights for ${snapshots.length} snapshots (${namesOf(snapshots)})`,
        'Give one weight for each selected snapshot; 0 for one that shall not count.',
      );
    const bad = weights.findIndex((weight) => !Number.isFinite(weight));
    if (bad >= 0)
      throw usageError(
        `\`weights\`: the weight of ${namesOf(snapshots.slice(bad, bad + 1))} is no finite number`,
        'Give numbers.',
      );
    const total = sum(weights);
    if (!(Math.abs(total) > CANCELLED * sum(weights.map(Math.abs)) && Number.isFinite(total)))
      throw usageError(
        `\`weights\` sum to ${total}: they cannot be normalised`,
        'Give weights with a finite sum other than 0.',
      );
    if (weights.some((weight) => weight / total < 0)) note('weighted: some weights are negative, so this extrapolates');
    return [normalisedRow('weighted', weights)];
  },
};
