import { type FieldRow, TemperError } from '../core/index.ts';
import { type ClassOutput, classOutput, type Session } from '../runtime/index.ts';
import type { OutputKind } from '../signature/index.ts';
import { ensembleOf, joinedSpeed, measuredEnsemble, memberKinds } from './ensemble.ts';
import type { ModelEvaluation } from './evaluate-stages.ts';
import { comparePaired } from './paired.ts';
import type { Predictions, ValidClasses } from './predictions.ts';
import type { Measured } from './scores.ts';

/** How a model is asked more than once of an image. `flip`: the mean of the probabilities of the image and of its mirror image. */
export type TestTimeAugmentation = 'flip';

export interface JoinOptions {
  readonly ensemble?: boolean | undefined;
  readonly tta?: TestTimeAugmentation | undefined;
  readonly output?: string | undefined;
  readonly outputs?: 'auto' | OutputKind | undefined;
}

/** A row of joined answers; of an augmented model, with what it says of the image alone. */
type Joined = Measured & { readonly plain?: Predictions | undefined };

/** What is joined while models run: the answers of all, and those of each to an image and its mirror image. */
export interface JoinedAnswers {
  /** @param model place among the sessions; those behind them are the mirrored runs, in the members' order */
  add(model: number, output: ClassOutput, keys: readonly string[], labels: ArrayLike<number>): void;
  /** As models of a table. @param models all, as measured @param mirrors the mirrored runs */
  measured(models: readonly Measured[], mirrors: readonly Pick<ModelEvaluation, 'timing'>[]): Joined[];
}

/** @param first the first session whose answers are joined: not the baseline's @throws TemperError USAGE, as memberKinds */
export function joinedAnswers(
  sessions: readonly Session[],
  first: number,
  valid: ValidClasses | undefined,
  { ensemble: isEnsemble = false, tta, output, outputs = 'auto' }: JoinOptions,
): JoinedAnswers {
  const members = sessions.slice(first).map((session) => ({ session, output: classOutput(session, output).name }));
  const kindsFor = (option: string): OutputKind[] =>
    memberKinds(members, outputs === 'auto' ? undefined : outputs, option);
  if (isEnsemble && members.length < 2) {
    throw new TemperError('USAGE', `\`ensemble\` of ${members.length} models, expected 2 or more`, {
      hint: 'Name the models whose answers are joined.',
    });
  }
  const ensemble = isEnsemble ? ensembleOf(kindsFor('ensemble'), valid) : undefined;
  const flips = tta === 'flip' ? kindsFor('tta').map((kind) => ensembleOf([kind, kind], valid)) : [];
  return {
    add(model, scores, keys, labels) {
      const mirror = model - sessions.length;
      if (mirror >= 0) return flips[mirror]?.add(1, scores, keys, labels);
      if (model < first) return;
      ensemble?.add(model - first, scores, keys, labels);
      flips[model - first]?.add(0, scores, keys, labels);
    },
    measured(models, mirrors) {
      const joined = models.slice(first);
      const flipped = flips.map((flip, i): Joined => {
        const { model, predictions, timing, provenance } = joined[i] as Measured;
        return {
          model: `${model} + flip`,
          predictions: flip.end().probability,
          timing: joinedSpeed([timing, { ...timing, img_s_model: mirrors[i]?.timing.imagesPerSecond }]),
          provenance: { ...provenance, outputs: 'probabilities', tta: 'flip' },
          plain: predictions,
        };
      });
      return [...flipped, ...(ensemble ? measuredEnsemble(ensemble, joined) : [])];
    },
  };
}

/** What augmentation changes, against the same model on the same images without it: exact McNemar, of this pair alone. */
export function augmentedFields(plain: Predictions, augmented: Predictions): FieldRow {
  const { top1, p } = comparePaired(plain, augmented);
  return {
    tta_top1_difference: top1.difference,
    tta_top1_difference_lo: top1.lo,
    tta_top1_difference_hi: top1.hi,
    tta_mcnemar_p: p,
  };
}
