import { type FieldRow, shortNames, TemperError, version } from '../../core/index.ts';
import { joinPredictions } from '../per-image/join-predictions.ts';
import { type Predictions, selectPredictions } from '../predictions.ts';
import type { EvaluationSet, SetScores } from './options.ts';
import { setRow } from './rows.ts';
import { occurring } from './set-classes.ts';

interface MeasuredModel {
  readonly model: string;
  readonly predictions: Predictions;
  readonly provenance: FieldRow;
}

/**
 * The table of sets from files of predictions. They were scored among all classes: for a set with some of them, that must be asked for.
 * @throws TemperError USAGE for sets of images, or with some of the classes unless `setScores` is all; MISMATCH_VALUE for a model that a file
 *   lacks, and classes that the other images have not; INPUT_*, FORMAT_*
 */
export async function setsFromFiles(
  sets: readonly EvaluationSet[],
  models: readonly MeasuredModel[],
  { setScores = 'own', seed = 0 }: { readonly setScores?: SetScores | undefined; readonly seed?: number | undefined },
  signal: AbortSignal,
): Promise<FieldRow[]> {
  const rows: FieldRow[] = [];
  const names = shortNames(models.map(({ model }) => model));
  for (const { name, from } of sets) {
    if (!from) {
      throw new TemperError('USAGE', `set ${name}: is of images, but the models were measured before`, {
        hint: 'Name the file of their predictions of the set.',
      });
    }
    const there = await joinPredictions(from, signal);
    for (const [i, { model, predictions, provenance }] of models.entries()) {
      const found = there.models.find((one) => one.model === model);
      if (!found) {
        throw new TemperError('MISMATCH_VALUE', `set ${name}: ${from.join(', ')} has no predictions of ${model}`, {
          hint: 'Name files of the same models.',
          details: { set: name, model },
        });
      }
      const own = occurring(found.predictions.labels);
      const all = occurring(predictions.labels);
      const known = new Set(all);
      const lacking = own.find((label) => !known.has(label));
      if (lacking !== undefined) {
        throw new TemperError(
          'MISMATCH_VALUE',
          `set ${name}: class ${lacking} is none of the classes of the other images`,
          {
            hint: 'Measure both sets with the same classes.',
            details: { set: name, class: lacking },
          },
        );
      }
      if (own.length < all.length && setScores === 'own') {
        throw new TemperError(
          'USAGE',
          `set ${name}: has ${own.length} of ${all.length} classes, but was scored among all`,
          {
            hint: 'Score it among all classes (`setScores` all), or measure the models with `data` and the set.',
            details: { set: name, classes: own.length },
          },
        );
      }
      const chosen = new Set(own);
      const at = [...predictions.labels.keys()].filter((row) => chosen.has(predictions.labels[row] as number));
      const clean = at.length === predictions.labels.length ? predictions : selectPredictions(predictions, at);
      const compared = {
        model: names[i] as string,
        set: name,
        classes: own.length,
        scored: 'all',
        there: found.predictions,
        clean,
      } as const;
      const { predictions: file, predictions_sha256 } = provenance;
      const further = {
        ...there.fields,
        clean_predictions: file,
        clean_predictions_sha256: predictions_sha256,
        seed,
        version,
      };
      rows.push(setRow(compared, further, seed));
    }
  }
  return rows;
}
