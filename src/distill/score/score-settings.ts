import { TemperError } from '../../core/index.ts';
import type { Store } from '../store/index.ts';
import type { ScoreOptions } from './score-student.ts';
import type { Ensemble } from './teacher-row.ts';

/** @throws TemperError USAGE for a temperature that is none, or that a top-K store does not declare */
export function scoredTemperatures(
  { folder, manifest }: Pick<Store, 'folder' | 'manifest'>,
  asked: readonly number[] | undefined,
): readonly number[] {
  const { temperatures: declared, top_k } = manifest;
  const unknown = (t: number): boolean => top_k !== null && !declared.includes(t);
  const wrong = asked?.find((t, i) => !(t > 0) || asked.indexOf(t) !== i || unknown(t));
  if (wrong === undefined) return asked ?? declared;
  const what =
    wrong > 0 && unknown(wrong)
      ? `${folder} is a top-${top_k} store that knows the mass of the other classes at ${declared.join(', ')} alone`
      : 'expected numbers over 0, each once';
  throw new TemperError('USAGE', `\`temperatures\` ${asked?.join(',')}: ${wrong}: ${what}`, {
    hint: 'Score at these, or store the targets again with `temperatures`.',
  });
}

export interface EnsembleChoice {
  /** How several teachers are put together, beside each alone. @default 'mean-probability' */
  readonly ensemble?: Ensemble | 'none' | undefined;
  /** Weight of each teacher in the ensemble. @default equal */
  readonly weights?: readonly number[] | undefined;
}

/** The ensemble to score, weights summing to 1; undefined for none. @throws TemperError USAGE */
export function ensembleOf(
  { manifest }: Pick<Store, 'manifest'>,
  { ensemble = 'mean-probability', weights }: EnsembleChoice,
): ScoreOptions['ensemble'] {
  const { teachers, top_k } = manifest;
  if (ensemble === 'none' || teachers.length < 2) {
    if (weights === undefined) return undefined;
    throw new TemperError('USAGE', '`weights` has no use without an ensemble of several teachers', {
      hint: 'Leave it out.',
    });
  }
  if (ensemble === 'mean-logit' && top_k !== null) {
    throw new TemperError('USAGE', '`ensemble` mean-logit needs the logits of all classes, the store has top-K', {
      hint: 'Use mean-probability.',
    });
  }
  const given = weights ?? teachers.map(() => 1);
  const sum = given.reduce((a, b) => a + b, 0);
  if (given.length !== teachers.length || given.some((weight) => weight < 0) || !(sum > 0)) {
    throw new TemperError(
      'USAGE',
      `\`weights\` ${given.join(',')}: expected ${teachers.length} numbers >= 0, not all 0`,
    );
  }
  return { how: ensemble, weights: given.map((weight) => weight / sum) };
}
