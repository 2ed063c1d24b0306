import { basename } from 'node:path';
import type { FieldRow } from '../../src/core/index.ts';
import { transformFields } from '../../src/data/index.ts';
import type { Finalist, FoundTransformRecord } from '../../src/evaluate/index.ts';
import { type Column, factsOf, type Page, type Part } from '../../src/report/index.ts';
import { warningParts } from '../shared/sections/warnings.ts';
import { transformWords } from '../shared/transform-text.ts';
import { foundSentence } from './found-text.ts';

/** A preprocessing of the final, as a row of the CSV and of `finalists`. */
export function finalistFields(one: Finalist): FieldRow {
  const { transform, isGiven, tied, top1, top1Interval, nll, confidence, information, against } = one;
  return {
    options: transformWords(transform),
    given: isGiven,
    tied,
    top1: top1 ?? null,
    top1_lo: top1Interval?.lo ?? null,
    top1_hi: top1Interval?.hi ?? null,
    nll: nll ?? null,
    confidence,
    information,
    top1_difference: against?.top1.difference ?? null,
    mcnemar_p: against?.p ?? null,
    mcnemar_p_holm: against?.pHolm ?? null,
    ...transformFields(transform),
  };
}

/** Of labels alone. */
const SCORES: readonly Column[] = [
  { field: 'top1', header: 'top-1', percent: true, interval: ['top1_lo', 'top1_hi'] },
  { field: 'nll', header: 'NLL', digits: 4 },
  { field: 'top1_difference', header: 'against the first', percent: true, signed: true },
  { field: 'mcnemar_p_holm', header: 'p (Holm)', pValue: true },
];
const COLUMNS: readonly Column[] = [
  { field: 'confidence', header: 'confidence', digits: 4 },
  { field: 'information', header: 'information', unit: 'nats', digits: 4 },
  { field: 'given', header: 'given' },
];

/** How a verdict is set off: without a proof, or with nothing found, there is reason for care. */
const TONES = { better: 'good', given: 'good', tied: 'neutral', none: 'caution', unlabelled: 'caution' } as const;

/** The report of eval-ckpt --find-transform. */
export function foundPage(record: FoundTransformRecord, command: string): Page {
  const { verdict, labelled, finalists, warnings, model, source, tried, failed, runs, evaluations } = record;
  const rows = finalists.map((one, i): FieldRow => ({ place: i + 1, ...finalistFields(one) }));
  const sentence = foundSentence(record);
  const options: Part = {
    kind: 'table',
    caption: 'Options to paste: behind a command they give what was measured',
    columns: [
      { field: 'place', header: 'place' },
      { field: 'options', header: 'options' },
    ],
    rows,
  };
  return {
    title: `The preprocessing that ${basename(model)} wants`,
    summary: sentence,
    command,
    sections: [
      {
        heading: 'Verdict',
        parts: [
          { kind: 'verdict', tone: TONES[verdict], text: sentence },
          // Of `none` they are the reason, in the sentence.
          ...(verdict === 'none' ? [] : warningParts(warnings)),
          {
            kind: 'table',
            caption: labelled
              ? 'On images that did not choose; top-1 with 95 % Wilson intervals, exact McNemar tests of the first against each; tied: no loss is shown.'
              : 'On images that did not choose; information: entropy of the predicted classes plus mean ln(confidence). It proves nothing.',
            columns: [
              { field: 'place', header: 'place' },
              ...(labelled ? SCORES : []),
              ...COLUMNS,
              ...(labelled ? [{ field: 'tied', header: 'tied' }] : []),
            ],
            rows,
          },
          options,
        ],
      },
    ],
    provenance: factsOf(
      [
        {
          ...{ model, data: source, n_images: record.images, n_verdict_images: record.verdictImages },
          ...{ n_tried: tried, n_failed: failed, runs, evaluations: Number(evaluations.toFixed(3)) },
        },
      ],
      ['model', 'data', 'n_images', 'n_verdict_images', 'n_tried', 'n_failed', 'runs', 'evaluations'],
      'model',
    ),
  };
}
