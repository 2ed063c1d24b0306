import type { CalibrationRecord } from '../../src/evaluate/index.ts';
import { type Column, factsOf, formatNumber, type Page } from '../../src/report/index.ts';
import { reliabilityChart } from '../shared/sections/reliability-chart.ts';
import { SCORE_COLUMNS } from '../shared/sections/score-columns.ts';

const interval = (field: string): readonly [string, string] => [`${field}_lo`, `${field}_hi`];
const change = { digits: 4, signed: true } as const;

const DIFFERENCES: readonly Column[] = [
  { field: 'nll_difference', header: 'NLL', ...change, interval: interval('nll_difference') },
  { field: 'brier_difference', header: 'Brier', ...change, interval: interval('brier_difference') },
  { field: 'ece15_difference', header: 'ECE', ...change, interval: interval('ece15_difference') },
  { field: 'top1_difference', header: 'top-1', percent: true, signed: true, unit: 'points' },
  { field: 'answers_changed', header: 'answers changed', unit: 'images' },
];

const PROVENANCE = [
  ...['model_sha256', 'method', 'temperature', 'written_as', 'output', 'outputs', 'n_fitted', 'n_judged', 'data'],
  ...['data_table_sha256', 'fitted_rows_sha256', 'transform_sha256', 'seed', 'provider', 'onnxruntime', 'version'],
];

/** The report of calibrate. */
export function calibrationPage(record: CalibrationRecord, command: string): Page {
  const { model, method, temperature, better, written, text, before, after, rows } = record;
  const fit =
    temperature === undefined ? `${method} scaling` : `temperature ${formatNumber(temperature, { digits: 4 })}`;
  return {
    title: `${model} calibrated`,
    summary: `${fit}: ${text}.`,
    command,
    sections: [
      {
        heading: 'Is it better?',
        parts: [
          {
            kind: 'verdict',
            tone: better ? 'good' : 'caution',
            text: `${text}.${written ? '' : ' Nothing was written.'}`,
          },
          `Fitted on ${record.fitted} images; every number here is of ${record.judged} others.`,
          {
            kind: 'table',
            caption:
              '95 % intervals: Wilson for accuracies, bootstrap for the rest. ECE is biased upwards: compare it with that of a perfectly calibrated model.',
            columns: [{ field: 'stage', header: '' }, ...SCORE_COLUMNS.filter(({ field }) => field !== 'model')],
            rows,
          },
          {
            kind: 'table',
            caption: 'After minus before, in pairs, with 95 % intervals',
            columns: DIFFERENCES,
            rows: rows.slice(1),
          },
        ],
      },
      { heading: 'Reliability', parts: [reliabilityChart('before', before), reliabilityChart('after', after)] },
    ],
    provenance: factsOf(rows, PROVENANCE, 'stage'),
  };
}
