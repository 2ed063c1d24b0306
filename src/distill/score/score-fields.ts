import type { FieldRow } from '../../core/index.ts';
import type { Manifest } from '../store/index.ts';
import { klOf } from './divergence.ts';
import type { SourceScore } from './score-student.ts';
import type { ScoredRow } from './target-score.ts';

const FORMULA =
  'kl = T^2 * sum_k p_k (ln p_k - ln q_k), p = softmax(teacher / T), q = softmax(student / T), in nats, float64';
const REDUCTION =
  "batchmean: the sum over classes, the mean over rows; kl_mean_reduction is kl / C, what reduction='mean' and DeiT's division by numel give";

/** What the numbers are: the words stand beside them wherever they are printed. */
export interface ScoreWords {
  readonly formula: string;
  readonly reduction: string;
  /** What is known of the classes that a top-K store left out. */
  readonly tail: string;
}

export function scoreWords({ top_k, teachers }: Pick<Manifest, 'top_k' | 'teachers'>): ScoreWords {
  const classes = [...new Set(teachers.map(({ n_classes }) => n_classes))].join(' or ');
  const tail =
    top_k === null
      ? `none: all ${classes} classes are stored`
      : `top-${top_k} of ${classes} classes, with the exact mass of the others at each temperature. kl: it is spread evenly over ` +
        'them (uniform tail), an estimate; kl_lower: they are one class (ghost bucket), a lower bound; kl_upper: the largest KL that ' +
        'the stored values allow. The bounds hold up to the rounding of stored values';
  return { formula: FORMULA, reduction: REDUCTION, tail };
}

/** T² · KL at a temperature: kl_t1, kl_t0.5. */
const klField = (temperature: number): string => `kl_t${temperature}`;

/** The scores as rows of a table, one per source and temperature. */
export function scoreRows(scores: readonly SourceScore[], provenance: FieldRow): FieldRow[] {
  return scores.flatMap((score) =>
    score.temperatures.map(({ temperature, kl, kl_lower, kl_upper, ...rest }) => ({
      teacher: score.source,
      temperature,
      kl,
      kl_lower,
      kl_upper,
      ...rest,
      n_rows: score.n_rows,
      agree1: score.agree1,
      agree5: score.agree5,
      teacher_top1: score.teacher_top1,
      teacher_top5: score.teacher_top5,
      student_top1: score.student_top1,
      student_top5: score.student_top5,
      ...provenance,
    })),
  );
}

/** Scores by class as rows of a table. @param names class names by index, where they are known */
export function classRows(scores: readonly SourceScore[], names: readonly string[] | undefined): FieldRow[] {
  return scores.flatMap(({ source, per_class, temperatures }) =>
    per_class.map(({ class: at, kl, n_rows, ...shares }) => ({
      teacher: source,
      class: at,
      class_name: names?.[at],
      n_rows,
      ...Object.fromEntries(temperatures.map(({ temperature }, t) => [klField(temperature), kl[t]])),
      ...shares,
    })),
  );
}

/** One row of a store, scored against one source, as a row of a table. */
export function rowFields(
  source: string,
  { key, view, label, teacherTop, studentTop, divergences }: ScoredRow,
  { temperatures, labelled }: { readonly temperatures: readonly number[]; readonly labelled: boolean },
): FieldRow {
  return {
    source,
    key,
    view,
    label: labelled ? label : undefined,
    teacher_class: teacherTop[0],
    student_class: studentTop[0],
    ...Object.fromEntries(
      divergences.map((found, t) => {
        const temperature = temperatures[t] as number;
        return [klField(temperature), temperature ** 2 * klOf(found)];
      }),
    ),
  };
}
