import type { FieldRow } from '../../src/core/index.ts';
import type { Manifest, SourceScore, TemperatureScore } from '../../src/distill/index.ts';
import { textTable } from '../shared/text-table.ts';
import { klField } from './target-row-file.ts';

const FORMULA =
  'kl = T^2 * sum_k p_k (ln p_k - ln q_k), p = softmax(teacher / T), q = softmax(student / T), in nats, float64';
const REDUCTION =
  "batchmean: the sum over classes, the mean over rows; kl_mean_reduction is kl / C, what reduction='mean' and DeiT's division by numel give";

/** What the numbers are: the words stand beside them wherever they are printed. */
export function tailText({ top_k, teachers }: Manifest): {
  readonly formula: string;
  readonly reduction: string;
  readonly tail: string;
} {
  const classes = [...new Set(teachers.map(({ n_classes }) => n_classes))].join(' or ');
  const tail =
    top_k === null
      ? `none: all ${classes} classes are stored`
      : `top-${top_k} of ${classes} classes, with the exact mass of the others at each temperature. kl: it is spread evenly over ` +
        'them (uniform tail), an estimate; kl_lower: they are one class (ghost bucket), a lower bound; kl_upper: the largest KL that ' +
        'the stored values allow. The bounds hold up to the rounding of stored values';
  return { formula: FORMULA, reduction: REDUCTION, tail };
}

/** Digits enough to compare; --json and --out have all. */
const round = (value: number | undefined, digits = 6): string => (value === undefined ? '' : value.toPrecision(digits));

const share = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(4));

const COLUMNS: readonly (readonly [head: string, of: (one: TemperatureScore) => string])[] = [
  ['T', ({ temperature }) => String(temperature)],
  ['kl', ({ kl }) => round(kl)],
  ['kl_lower', ({ kl_lower }) => round(kl_lower)],
  ['kl_upper', ({ kl_upper }) => round(kl_upper)],
  ['cross_entropy', ({ cross_entropy }) => round(cross_entropy)],
  ['entropy', ({ entropy }) => round(entropy)],
  ['kl_mean_reduction', ({ kl_mean_reduction }) => round(kl_mean_reduction)],
  ['kl_p50', ({ kl_p50 }) => round(kl_p50, 4)],
  ['kl_p99', ({ kl_p99 }) => round(kl_p99, 4)],
  ['kl_max', ({ kl_max }) => round(kl_max, 4)],
];

function temperatureTable(scores: readonly SourceScore[]): string {
  const bounded = scores.some(({ temperatures }) => temperatures.some(({ kl_lower }) => kl_lower !== undefined));
  const columns = COLUMNS.filter(([head]) => bounded || !/_lower|_upper/.test(head));
  return textTable(
    ['teacher', ...columns.map(([head]) => head)],
    scores.flatMap(({ source, temperatures }) =>
      temperatures.map((one) => [source, ...columns.map(([, of]) => of(one))]),
    ),
  );
}

function agreementTable(scores: readonly SourceScore[]): string {
  const labelled = scores.some(({ student_top1 }) => student_top1 !== undefined);
  return textTable(
    [
      'teacher',
      'rows',
      'agree@1',
      'agree@5',
      ...(labelled ? ['teacher top-1', 'top-5', 'student top-1', 'top-5'] : []),
    ],
    scores.map((one) => [
      one.source,
      String(one.n_rows),
      share(one.agree1),
      share(one.agree5),
      ...(labelled ? [one.teacher_top1, one.teacher_top5, one.student_top1, one.student_top5].map(share) : []),
    ]),
  );
}

/** The rows that differ most from the last source: the ensemble, where there is one. */
function worstTable(scores: readonly SourceScore[]): string {
  const last = scores.at(-1);
  if (!last || last.worst.length === 0) return '';
  const first = last.temperatures[0]?.temperature;
  const table = textTable(
    ['key', 'view', `kl at T ${first}`, 'label', 'teacher', 'student'],
    last.worst.map(({ key, view, kl, label, teacher_class, student_class }) => [
      key,
      String(view),
      round(kl[0], 4),
      String(label ?? ''),
      String(teacher_class),
      String(student_class),
    ]),
  );
  return `farthest from ${last.source}:\n${table}\n`;
}

/** The scores for people. */
export function scoreText(scores: readonly SourceScore[], manifest: Manifest): string {
  const { formula, reduction, tail } = tailText(manifest);
  return (
    `${temperatureTable(scores)}\n${agreementTable(scores)}\n${worstTable(scores)}` +
    `${formula}\nreduction ${reduction}\ntail ${tail}\n`
  );
}

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

/** Scores by class as rows of a table. */
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
