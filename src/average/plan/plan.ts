import type { Candidate } from '../../snapshots/index.ts';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { checkRow, type Row, rowOver } from '../rows/row.ts';
import { amplification } from '../rows/row-terms.ts';
import { isGiven, type OptionName, type PlanOptions, usageError } from './plan-options.ts';
import { select } from './select.ts';

/** Which snapshots, in which order, with which coefficients: all that is known before a byte is read. */
export interface Plan {
  /** Every snapshot that a row uses, in plan order, once. */
  readonly snapshots: readonly Candidate[];
  /** One output each, with distinct names that fit a file name; snapshots outside a row's selection have 0. */
  readonly rows: readonly Row[];
  /** What the user should know and is no error. */
  readonly notes: readonly string[];
}

/** Above this, the rounding noise of fp16 snapshots shows in the result (EDM2's own choices stay near 2). */
const AMPLIFICATION_WARNING = 4;

const BY_NAME: Readonly<Record<string, Method>> = METHODS;
const METHOD_NAMES = Object.keys(METHODS);

function methodOf(options: PlanOptions): [string, Method] {
  const implied = METHOD_NAMES.flatMap((name) => {
    const option = BY_NAME[name]?.impliedBy.find((candidate) => isGiven(options[candidate]));
    return option === undefined ? [] : [{ name, option }];
  });
  const [one, other] = implied;
  if (options.method === undefined && one && other)
    throw usageError(
      `\`${one.option}\` belongs to \`method\` ${one.name}, \`${other.option}\` to \`method\` ${other.name}`,
      'Make the averages of one method at a time.',
    );
  const name = options.method ?? one?.name ?? 'uniform';
  const method = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (!method)
    throw usageError(`\`method\` is ${name}, expected ${METHOD_NAMES.join(', ')}`, 'Choose one of these methods.');
  return [name, method];
}

function checkOptionsBelong(options: PlanOptions, name: string, method: Method): void {
  for (const owner of METHOD_NAMES) {
    const stray = BY_NAME[owner]?.options.find((option: OptionName) => isGiven(options[option]));
    if (stray !== undefined && !method.options.includes(stray))
      throw usageError(
        `\`${stray}\` belongs to \`method\` ${owner}, the method is ${name}`,
        `Leave \`${stray}\` out, or say \`method\` ${owner}.`,
      );
  }
}

/** Says when the number that is taken as the step falls in natural order: it may be a metric (`epoch=3-acc=0.91`). */
function noteFallingSteps(ordered: readonly Candidate[], options: PlanOptions, note: (text: string) => void): void {
  if (options.order === 'mtime' || options.order === 'list') return;
  const stepped = ordered.filter(({ step }) => step !== undefined);
  const at = stepped.findIndex(({ step }, index) => Number(step) < Number(stepped[index - 1]?.step));
  const [before, after] = [stepped[at - 1], stepped[at]];
  if (before && after)
    note(
      `the step in a name falls from ${before.step} (${before.name}) to ${after.step} (${after.name}) in natural order`,
    );
}

/** Puts a selection's row into the columns of all snapshots of the plan. */
function spread(row: Row, suffix: string, selected: readonly Candidate[], all: readonly Candidate[]): Row {
  const coefficients = new Map(selected.map((snapshot, index) => [snapshot, row.coefficients[index] as number]));
  const spreadRow = rowOver(
    row,
    all.map((snapshot) => coefficients.get(snapshot) ?? 0),
    (input) => all.indexOf(selected[input] as Candidate),
  );
  return { ...spreadRow, name: row.name + suffix };
}

/**
 * Plans averages: which of the candidates, in which order, with which coefficients. Pure: the same candidates in another
 * order give the same plan, unless the order is `list`. The method's values and the selection's counts multiply: two decays and two
 * counts of `last` is four rows.
 * @throws USAGE, INPUT_TOO_FEW, FORMAT_TABLE (metrics or weights), NUMERIC_NONFINITE (a metric)
 */
export function planRows(candidates: readonly Candidate[], options: PlanOptions): Plan {
  const [name, method] = methodOf(options);
  checkOptionsBelong(options, name, method);
  const notes = new Set<string>();
  const note = (text: string) => notes.add(text);
  const { ordered, selections } = select(candidates, options, note);
  noteFallingSteps(ordered, options, note);
  const used = new Set(selections.flatMap(({ snapshots }) => snapshots));
  const all = ordered.filter((snapshot) => used.has(snapshot));
  const rows = selections.flatMap(({ snapshots, suffix }) =>
    method.rows({ snapshots, candidates, note }, options).map((row) => spread(row, suffix, snapshots, all)),
  );
  for (const row of rows) {
    checkRow(row);
    const factor = amplification(row);
    if (factor > AMPLIFICATION_WARNING)
      note(`${row.name}: rounding noise of the snapshots can grow ${factor.toFixed(1)} times (Σ|w|/|Σw|)`);
  }
  return { snapshots: all, rows, notes: [...notes] };
}
