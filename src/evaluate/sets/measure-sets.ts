import { basename } from 'node:path';
import { type Control, type FieldRow, shortNames, version } from '../../core/index.ts';
import { noteBadImages, transformFields } from '../../data/index.ts';
import type { Session } from '../../runtime/index.ts';
import { evaluateSessions } from '../evaluate-stages.ts';
import { labelWarnings } from '../label-warnings.ts';
import type { Predictions } from '../predictions.ts';
import type { CleanScores } from './clean-scores.ts';
import type { OpenSet } from './open-sets.ts';
import { setRow } from './rows.ts';

/** Of a model on the images that sets are compared with. */
interface CleanModel {
  readonly model: string;
  readonly predictions: Predictions;
  readonly provenance: FieldRow;
}

/** On hard images a network may well be below chance: of the warnings only those of another order of classes count. */
const NO_CHANCE = 1;

/** Runs the models over each set in turn. @returns rows, by set, and what is odd about the labels */
export async function measureSets(
  sets: readonly OpenSet[],
  sessions: readonly Session[],
  models: readonly CleanModel[],
  clean: CleanScores,
  options: Omit<Parameters<typeof evaluateSessions>[2], 'mirrorFrom' | 'onOutputs' | 'valid'> & {
    readonly seed?: number | undefined;
  },
  control: Control,
): Promise<{ readonly rows: FieldRow[]; readonly warnings: string[] }> {
  const rows: FieldRow[] = [];
  const warnings: string[] = [];
  const names = shortNames(models.map(({ model }) => model));
  const said = new Set<string>();
  for (const [s, { name, chosen, own, valid }] of sets.entries()) {
    const note = (text: string): void => {
      if (!said.has(text)) control.note(`set ${name}: ${text}`);
      said.add(text);
    };
    const label = `${models.length === 1 ? '1 model' : `${models.length} models`} on ${name}`;
    // Transforms were found and said for the other images.
    const quiet = { ...control, note: () => undefined };
    const { evaluations, quarantine } = await evaluateSessions(sessions, chosen, { ...options, label, valid }, quiet);
    noteBadImages(quarantine, note);
    for (const [i, { predictions, transform, outputs, session }] of evaluations.entries()) {
      const model = names[i] as string;
      const { predictions: all, provenance } = models[i] as CleanModel;
      for (const text of labelWarnings(predictions, NO_CHANCE)) {
        note(`${model}: ${text}`);
        warnings.push(`${model} on set ${name}: ${text.replace('`classes` FILE', `\`set.classes\` ${name}=FILE`)}`);
      }
      const scored = valid ? 'own' : 'all';
      const compared = {
        model,
        set: name,
        classes: own.length,
        scored,
        there: predictions,
        clean: clean.of(s, i, all),
      } as const;
      const further = {
        model_sha256: provenance.model_sha256,
        n_bad_images: quarantine.length,
        data: basename(chosen.dataset.source),
        data_table_sha256: chosen.dataset.tableHash(),
        clean_data: provenance.data,
        clean_data_table_sha256: provenance.data_table_sha256,
        ...transformFields(transform),
        outputs,
        provider: session.provider,
        onnxruntime: session.ortVersion,
        seed: options.seed ?? 0,
        version,
      };
      rows.push(setRow(compared, further, options.seed ?? 0));
    }
  }
  return { rows, warnings };
}
