import { TemperError } from '../../core/index.ts';
import { type ChosenData, type Dataset, openData } from '../../data/index.ts';
import { modelClasses, type Session } from '../../runtime/index.ts';
import { assertLabels, type ModelClasses } from '../../signature/index.ts';
import type { ValidClasses } from '../predictions.ts';
import type { EvaluationSet, SetScores } from './options.ts';
import { type KnownNames, namedAlike, occurring, scoredAmong } from './set-classes.ts';

/** A set that is ready to be measured. */
export interface OpenSet {
  readonly name: string;
  readonly chosen: ChosenData;
  /** Its classes, ascending. */
  readonly own: readonly number[];
  /** What is scored; undefined: all classes. */
  readonly valid: ValidClasses | undefined;
}

interface SetOptions {
  readonly sets?: readonly EvaluationSet[] | undefined;
  readonly setScores?: SetScores | undefined;
  readonly output?: string | undefined;
  readonly seed?: number | undefined;
}

/** Says of which set an error is: its `classes` are `set.classes`. */
function ofSet(error: unknown, set: string): unknown {
  if (!(error instanceof TemperError)) return error;
  const named = (text: string): string =>
    text
      .replace(
        /`(?:set\.)?(classes|labels)` (FILE|numeric|sorted)\b/g,
        (_, field, value) => `\`set.${field}\` ${set}=${value}`,
      )
      .replace(/`(classes|labels)`/g, '`set.$1`');
  const { code, message, hint, details, cause } = error;
  return new TemperError(code, `set ${set}: ${named(message.replace(`set ${set}: `, ''))}`, {
    ...(hint === undefined ? {} : { hint: named(hint) }),
    details,
    cause,
  });
}

const labelsOf = (dataset: Dataset, rows: Iterable<number>): number[] =>
  Array.from(rows, (row) => dataset.sample(row).label as number);

async function openSet(
  { name, data }: EvaluationSet,
  clean: ChosenData,
  models: readonly ModelClasses[],
  { setScores = 'own', seed }: SetOptions,
): Promise<OpenSet> {
  if (!data) {
    throw new TemperError('USAGE', 'is of predictions, but the models are measured', {
      hint: 'Name its images, or give `from` for the other images too.',
    });
  }
  const opened = await openData({ ...data, seed: data.seed ?? seed }, { labelled: true });
  try {
    const count = models.find((model) => model.count !== undefined)?.count;
    const known: KnownNames[] = [clean.dataset, undefined].flatMap((one) =>
      one?.classes ? [{ source: one.source, names: one.classes }] : [],
    );
    for (const { names } of models) if (names) known.push({ source: names.source, names: names.value });
    const dataset = namedAlike(opened.dataset, known, count);
    for (const model of models) assertLabels(dataset, model);
    const own = occurring(
      labelsOf(
        dataset,
        Array.from({ length: dataset.length }, (_, row) => row),
      ),
    );
    const here = new Set(labelsOf(clean.dataset, clean.rows));
    const lacking = own.find((label) => !here.has(label));
    if (lacking !== undefined) {
      const what = `${dataset.source} has images of class ${lacking}, ${clean.dataset.source} none: nothing to compare with`;
      throw new TemperError('MISMATCH_VALUE', what, {
        hint: 'Compare with images of all of its classes (`data`), or say which index each name has with `classes` FILE.',
        details: { path: dataset.source, class: lacking },
      });
    }
    return { name, chosen: { ...opened, dataset }, own, valid: scoredAmong({ name, own, count, scores: setScores }) };
  } catch (error) {
    await opened.dataset.close();
    throw error;
  }
}

/**
 * Opens all sets before anything is measured, and sees that their classes are the models'.
 * @throws TemperError MISMATCH_VALUE for classes that do not fit; USAGE, INPUT_*, FORMAT_*
 */
export async function openSets(
  options: SetOptions,
  clean: ChosenData,
  sessions: readonly Session[],
): Promise<OpenSet[]> {
  const models = sessions.map((session) => modelClasses(session, options.output));
  const opened: OpenSet[] = [];
  for (const set of options.sets ?? []) {
    try {
      opened.push(await openSet(set, clean, models, options));
    } catch (error) {
      await closeSets(opened);
      throw ofSet(error, set.name);
    }
  }
  return opened;
}

export async function closeSets(sets: readonly OpenSet[]): Promise<void> {
  await Promise.all(sets.map(({ chosen }) => chosen.dataset.close()));
}
