import { TemperError } from '../../core/index.ts';
import { type Candidate, namesOf } from '../../snapshots/index.ts';
import { type PlanOptions, usageError } from './plan-options.ts';
import { fileMatcher, findColumn, findFileColumn, numberOf, parseRecords, tableError } from './tables.ts';

/** Metrics of which less is better; short names only as a word of their own (not the `cer` in "officer"). */
const LOWER_IS_BETTER = /loss|error|brier|perplexity|(?:^|[^a-z])(?:nll|ece|err|wer|cer|ppl|mse|mae|rmse)(?:[^a-z]|$)/i;

/** Step columns by what the names count; a name that does not say is an epoch first, as in timm's `checkpoint-14`. */
const STEP_COLUMNS = { epoch: ['epoch'], step: ['step'], unknown: ['epoch', 'step'] } as const;

function metricDirection(metric: string, mode: PlanOptions['mode']): 1 | -1 {
  if (mode !== undefined) return mode === 'max' ? 1 : -1;
  if (LOWER_IS_BETTER.test(metric))
    throw usageError(
      `\`metric\` ${metric} looks like a loss or an error, of which less is better`,
      'Say `mode` min, or `mode` max if more is better.',
    );
  return 1;
}

/** Finds each snapshot's record: by a file column, else by the step or epoch in its name. */
function recordMatcher(name: string, columns: readonly string[], records: readonly string[][]) {
  const fileColumn = findFileColumn(columns);
  if (fileColumn >= 0) {
    const find = fileMatcher(records.map((record) => record[fileColumn] ?? ''));
    return find;
  }
  const stepIndex = new Map<number, Map<number, number>>();
  return ({ unit, step }: Candidate) => {
    const column = findColumn(columns, STEP_COLUMNS[unit]);
    if (column < 0)
      throw tableError(
        name,
        `no column to find the snapshots by: expected file or ${STEP_COLUMNS[unit].join(' or ')}, the columns are ${columns.join(', ')}`,
        'Add a column "file" with the file names.',
        { columns },
      );
    const index = stepIndex.get(column) ?? new Map(records.map((record, i) => [numberOf(record[column]), i]));
    stepIndex.set(column, index);
    return step === undefined ? -1 : (index.get(step) ?? -1);
  };
}

/**
 * The metric of each snapshot, from a table as timm's `summary.csv`. Of several records for one snapshot the last counts.
 * @throws USAGE without table or metric; FORMAT_TABLE when the column or a snapshot's record is missing;
 * NUMERIC_NONFINITE for a metric that is no finite number.
 */
function metricValues(snapshots: readonly Candidate[], options: PlanOptions): number[] {
  const { metrics, metric } = options;
  if (metrics === undefined)
    throw usageError('`best` needs a table of metrics', 'Give `metrics` FILE.csv, as timm writes summary.csv.');
  const { name, text } = metrics;
  const [columns = [], ...records] = parseRecords(name, text);
  const found = `the columns are ${columns.join(', ')}`;
  if (metric === undefined)
    throw usageError(`\`best\` needs to know the metric; ${found}`, 'Give `metric` NAME.', { columns });
  const metricColumn = columns.indexOf(metric);
  if (metricColumn < 0)
    throw tableError(name, `no column ${metric}; ${found}`, 'Give `metric` one of these.', { columns });

  const recordOf = recordMatcher(name, columns, records);
  const indices = snapshots.map(recordOf);
  const missing = snapshots.filter((_, i) => indices[i] === -1);
  if (missing.length > 0)
    throw tableError(
      name,
      `no record for ${namesOf(missing)}; ${found}`,
      'Complete the table, or select the snapshots that it has with `start`, `end` or `pattern`.',
      { missing: missing.map(({ file }) => file), columns },
    );
  const shared = snapshots.filter(
    (_, i) => indices.indexOf(indices[i] as number) !== indices.lastIndexOf(indices[i] as number),
  );
  if (shared.length > 0)
    throw tableError(
      name,
      `one record for several snapshots: ${namesOf(shared)}`,
      'Tell them apart in a column "file".',
    );

  return snapshots.map(({ file, name: snapshot }, i) => {
    const cell = records[indices[i] as number]?.[metricColumn];
    const value = numberOf(cell);
    if (!Number.isFinite(value))
      throw new TemperError(
        'NUMERIC_NONFINITE',
        `${name}: ${metric} of ${snapshot} is "${cell}", expected a finite number; ${found}`,
        {
          hint: 'Leave the snapshot out with `start`, `end` or `pattern`, or choose another `metric`.',
          details: { file, metric, found: cell, columns },
        },
      );
    return value;
  });
}

/**
 * The metric that every one of these training checkpoints holds of itself; undefined where one holds none, or another.
 * @param wanted its name, if that is said
 */
function metricInside(
  snapshots: readonly Candidate[],
  wanted: string | undefined,
): { readonly name: string; readonly values: readonly number[] } | undefined {
  const name = wanted ?? snapshots[0]?.metric?.name;
  const values = snapshots.flatMap(({ metric }) => (metric && metric.name === name ? metric.value : []));
  return name !== undefined && values.length === snapshots.length ? { name, values } : undefined;
}

/**
 * Positions of the snapshots from the best to the worst by `metric`; of equal ones the later snapshot is the better.
 * @throws as metricValues, and USAGE for a loss without `mode`.
 */
export function rankByMetric(snapshots: readonly Candidate[], options: PlanOptions): number[] {
  const inside = options.metrics === undefined ? metricInside(snapshots, options.metric) : undefined;
  const direction = metricDirection(inside?.name ?? options.metric ?? '', options.mode);
  const values = (inside?.values ?? metricValues(snapshots, options)).map((value) => direction * value);
  return snapshots.map((_, i) => i).sort((a, b) => (values[b] as number) - (values[a] as number) || b - a);
}
