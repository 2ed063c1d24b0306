import { TemperError } from '../../core/index.ts';
import { type Candidate, compareFiles, namesOf } from '../../snapshots/index.ts';
import { rankByMetric } from './metric-ranking.ts';
import { isCount, isGiven, listOf, type OptionName, type PlanOptions, usageError } from './plan-options.ts';

/** Snapshots in plan order, for one set of rows. */
export interface Selection {
  /** What sets it apart in a row's name: `_last5`, `_best3`, or nothing. */
  readonly suffix: string;
  readonly snapshots: readonly Candidate[];
}

/** Whether words in the names say the step of every snapshot, and no two are of one step. */
function counted(candidates: readonly Candidate[]): boolean {
  const unit = candidates[0]?.unit;
  const steps = new Set(candidates.map(({ step }) => step));
  return unit !== 'unknown' && candidates.every((one) => one.unit === unit) && steps.size === candidates.length;
}

const ORDERS = {
  natural: (candidates: readonly Candidate[]) =>
    counted(candidates)
      ? candidates.toSorted((a, b) => Number(a.step) - Number(b.step))
      : candidates.toSorted(compareFiles),
  mtime: (candidates: readonly Candidate[]) =>
    candidates.toSorted((a, b) => a.mtimeMs - b.mtimeMs || compareFiles(a, b)),
  list: (candidates: readonly Candidate[]) => [...candidates],
};

function inRange(snapshots: readonly Candidate[], options: PlanOptions, note: (text: string) => void) {
  const { start = Number.NEGATIVE_INFINITY, end = Number.POSITIVE_INFINITY } = options;
  if (options.start === undefined && options.end === undefined) return snapshots;
  if (!(start <= end))
    throw usageError(`\`start\` ${start} \`end\` ${end} is no range`, 'Give numbers, with `start` not above `end`.');
  const without = snapshots.filter(({ step }) => step === undefined);
  if (without.length > 0)
    note(`left out, as the name holds no step to compare with \`start\` and \`end\`: ${namesOf(without)}`);
  return snapshots.filter(({ step }) => step !== undefined && step >= start && step <= end);
}

function everyNth(snapshots: readonly Candidate[], every: number | undefined) {
  if (every === undefined) return snapshots;
  if (!isCount(every))
    throw usageError(`\`every\` is ${every}, expected a whole number from 1`, 'Give `every` 2, for example.');
  return snapshots.filter((_, index) => (snapshots.length - 1 - index) % every === 0);
}

/** The selections that `take` makes of one, for each count that `option` lists; the same one when it lists none. */
function forEachCount(
  selection: Selection,
  options: PlanOptions,
  option: 'last' | 'first' | 'best',
  take: (snapshots: readonly Candidate[], count: number) => readonly Candidate[],
): Selection[] {
  const counts = listOf(options, option, isCount, 'a whole number from 1');
  const { snapshots, suffix } = selection;
  const tooMany = counts.find((count) => count > snapshots.length);
  if (tooMany !== undefined)
    throw new TemperError('INPUT_TOO_FEW', `\`${option}\` ${tooMany}: there are only ${snapshots.length} snapshots`, {
      hint: `Ask for at most ${snapshots.length}, or select from more snapshots.`,
      details: { found: snapshots.length, expected: tooMany },
    });
  if (counts.length === 0) return [selection];
  return counts.map((count) => ({ suffix: `${suffix}_${option}${count}`, snapshots: take(snapshots, count) }));
}

function checkBestOptions(options: PlanOptions): void {
  const stray = (['metrics', 'metric', 'mode'] as const satisfies OptionName[]).find((option) =>
    isGiven(options[option]),
  );
  if (stray !== undefined && !isGiven(options.best))
    throw usageError(`\`${stray}\` has no use without \`best\``, 'Give `best` k, or leave it out.');
}

/**
 * Orders the candidates, then applies `start` and `end` (inclusive), `every` (counted back from the newest), `last` or
 * `first`, and `best`, in this sequence. Several counts give several selections.
 * @returns the ordered candidates that passed the filters, and at least one selection of them, none empty
 * @throws USAGE for options that make no sense; INPUT_TOO_FEW when nothing is left or fewer than asked for; and as
 * rankByMetric
 */
export function select(
  candidates: readonly Candidate[],
  options: PlanOptions,
  note: (text: string) => void,
): { ordered: readonly Candidate[]; selections: readonly Selection[] } {
  checkBestOptions(options);
  if (isGiven(options.last) && isGiven(options.first))
    throw usageError('`last` and `first` exclude each other', 'Give one of them, or a range with `start` and `end`.');
  const order = ORDERS[options.order ?? 'natural'];
  const ordered = everyNth(inRange(order(candidates), options, note), options.every);
  if (ordered.length === 0)
    throw new TemperError('INPUT_TOO_FEW', `no snapshots are left of ${candidates.length}`, {
      hint:
        candidates.length === 0
          ? 'Check the inputs and `pattern`.'
          : 'Check `start` and `end` against the steps in the names.',
      details: { found: 0, candidates: candidates.length },
    });
  const selections = forEachCount({ suffix: '', snapshots: ordered }, options, 'last', (all, count) =>
    all.slice(-count),
  )
    .flatMap((selection) => forEachCount(selection, options, 'first', (all, count) => all.slice(0, count)))
    .flatMap((selection) =>
      forEachCount(selection, options, 'best', (all, count) => {
        const chosen = new Set(rankByMetric(all, options).slice(0, count));
        return all.filter((_, index) => chosen.has(index));
      }),
    );
  return { ordered, selections };
}
