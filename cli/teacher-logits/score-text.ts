import { transformHash } from '../../src/data/index.ts';
import type { ScoreTargetsRecord, SourceScore } from '../../src/distill/index.ts';
import { textTable } from '../shared/text-table.ts';
import { transformText } from '../shared/transform-text.ts';

type TemperatureScore = SourceScore['temperatures'][number];

/** Digits enough to compare; --json and --csv have all. */
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
    2,
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
export function scoreText({ scores, words, transform }: ScoreTargetsRecord): string {
  const seen = transform
    ? `${transformText(transform)}, ${transformHash(transform).slice(0, 12)}`
    : 'none: the data is network input';
  return (
    `${temperatureTable(scores)}\n${agreementTable(scores)}\n${worstTable(scores)}` +
    `${words.formula}\nreduction ${words.reduction}\ntail ${words.tail}\ntransform of the student: ${seen}\n`
  );
}
