import type { ScoreTargetsRecord, SourceScore } from '../../src/distill/index.ts';
import { type Chart, type Column, factsOf, formatNumber, type Page, type Section } from '../../src/report/index.ts';
import { readingSection } from '../shared/sections/reading-section.ts';

const KL = { digits: 4 } as const;

const TEMPERATURE_COLUMNS: readonly Column[] = [
  { field: 'teacher', header: 'teacher' },
  { field: 'temperature', header: 'T' },
  { field: 'kl', header: 'KL', unit: 'nats', ...KL, interval: ['kl_lower', 'kl_upper'] },
  { field: 'kl_p50', header: 'median', ...KL },
  { field: 'kl_p99', header: '99 %', ...KL },
  { field: 'kl_max', header: 'largest', ...KL },
  { field: 'cross_entropy', header: 'cross-entropy', ...KL },
  { field: 'entropy', header: 'entropy', ...KL },
];

const AGREEMENT_COLUMNS: readonly Column[] = [
  { field: 'teacher', header: 'teacher' },
  { field: 'n_rows', header: 'rows' },
  { field: 'agree1', header: 'same best class', percent: true },
  { field: 'agree5', header: "teacher's in the five best", percent: true },
  { field: 'teacher_top1', header: 'teacher, top-1', percent: true },
  { field: 'student_top1', header: 'student, top-1', percent: true },
];

const WORST_COLUMNS: readonly Column[] = [
  { field: 'key', header: 'image' },
  { field: 'view', header: 'view' },
  { field: 'kl', header: 'KL', ...KL },
  { field: 'label', header: 'label' },
  { field: 'teacher_class', header: 'teacher' },
  { field: 'student_class', header: 'student' },
];

function temperatureChart(scores: readonly SourceScore[], summary: string): Chart {
  const temperatures = scores[0]?.temperatures.map(({ temperature }) => temperature) ?? [];
  return {
    kind: 'lines',
    title: 'Divergence by temperature',
    description: summary,
    drawn: 'Bands: what whole rows can have, where a store has the highest logits alone.',
    x: { label: 'temperature', ticks: temperatures },
    y: { label: 'T² · KL', unit: 'nats' },
    series: scores.map(({ source, temperatures: at }) => ({
      name: source,
      points: [...at]
        .sort((a, b) => a.temperature - b.temperature)
        .map(({ temperature, kl, kl_lower, kl_upper }) => ({
          x: temperature,
          y: kl,
          low: kl_lower ?? null,
          high: kl_upper ?? null,
        })),
    })),
  };
}

function worstSection({ source, worst, temperatures }: SourceScore): Section[] {
  if (worst.length === 0) return [];
  const rows = worst.map(({ kl, ...row }) => ({ ...row, kl: kl[0] }));
  const caption = `The rows that differ most at T ${temperatures[0]?.temperature}`;
  return [{ heading: `Farthest from ${source}`, parts: [{ kind: 'table', caption, columns: WORST_COLUMNS, rows }] }];
}

/** The report of teacher-logits score. */
export function scorePage({ fields, words, scores, rows, reading }: ScoreTargetsRecord, command: string): Page {
  const last = scores.at(-1) as SourceScore;
  const [first] = last.temperatures;
  const kl = formatNumber(first?.kl ?? 0, KL);
  const agreement = formatNumber(last.agree1, { percent: true });
  const summary = `T² · KL from ${last.source} at T ${first?.temperature}: ${kl} nats; the same best class in ${agreement} % of ${last.n_rows} rows.`;
  const perSource = scores.map(({ source }) => rows.find(({ teacher }) => teacher === source) ?? {});
  const several = last.temperatures.length > 1;
  return {
    title: `${String(fields.student)} against stored targets`,
    summary,
    command,
    sections: [
      {
        heading: 'Divergence',
        parts: [
          ...(several ? [temperatureChart(scores, summary)] : []),
          { kind: 'table', caption: `${words.formula}; ${words.reduction}`, columns: TEMPERATURE_COLUMNS, rows },
          `Classes that are not stored: ${words.tail}.`,
        ],
      },
      {
        heading: 'Agreement',
        parts: [{ kind: 'table', caption: 'Shares of rows', columns: AGREEMENT_COLUMNS, rows: perSource }],
      },
      ...worstSection(last),
      ...readingSection([{ model: String(fields.student), reading }]),
    ],
    provenance: factsOf(rows, Object.keys(fields), 'teacher'),
  };
}
