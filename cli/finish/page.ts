import type { FieldRow } from '../../src/core/index.ts';
import { type DecidedStep, decisionText, type FinishRecord, usageSnippets } from '../../src/finish/index.ts';
import {
  type Chart,
  type Column,
  factsOf,
  formatNumber,
  type Page,
  type Part,
  type Section,
} from '../../src/report/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { readingSection } from '../shared/sections/reading-section.ts';
import { DIFFERENCE, interval, SCORE_COLUMNS, SPEED_COLUMNS } from '../shared/sections/score-columns.ts';
import { warningParts } from '../shared/sections/warnings.ts';
import { STEP_PICTURES } from './step-pictures.ts';

const TOP1 = { label: 'top-1', percent: true, digits: 2 } as const;

/** The last snapshot, each step that was taken, the model: on images that chose nothing. */
function waterfall({ final, steps }: FinishRecord): Chart {
  const { rows, gains } = final;
  const taken = steps.filter((one) => one.taken);
  const first = Number(rows[0]?.top1);
  return {
    kind: 'waterfall',
    title: 'What each step brought',
    description: `Top-1 on ${rows[0]?.n_images} images that no step has seen.`,
    drawn: 'A bar is the change from the model before; its whisker the paired 95 % interval.',
    axis: TOP1,
    start: { label: 'last snapshot', value: first },
    steps: taken.map(({ title }, i) => {
      const [before, after] = [rows[i], rows[i + 1]].map((row) => Number(row?.top1));
      const gain = gains.steps[i];
      const isTop1 = gain?.metric === 'top1';
      return {
        label: title,
        change: (after as number) - (before as number),
        low: isTop1 ? gain.lo : null,
        high: isTop1 ? gain.hi : null,
      };
    }),
    end: 'model.onnx',
  };
}

const GAIN_COLUMNS: readonly Column[] = [
  { field: 'step', header: 'step' },
  { field: 'chose', header: 'what it chose' },
  { field: 'top1', header: 'top-1', ...DIFFERENCE, interval: interval('top1') },
  { field: 'nll', header: 'NLL', digits: 4, signed: true, interval: interval('nll') },
  { field: 'p', header: 'p', pValue: true },
  { field: 'p_holm', header: 'p (Holm)', pValue: true },
  { field: 'shown', header: 'beyond noise' },
];

function gainRows({ final, steps }: FinishRecord): FieldRow[] {
  const taken = steps.filter((one) => one.taken);
  const { steps: gains, total } = final.gains;
  const all = [
    ...gains.map((gain, i) => ({ gain, of: taken[i] })),
    ...(total && gains.length > 1 ? [{ gain: total, of: undefined }] : []),
  ];
  return all.map(({ gain, of }) => ({
    step: of?.title ?? 'all together',
    chose: of?.proposal?.chose,
    [gain.metric]: gain.difference,
    [`${gain.metric}_lo`]: gain.lo,
    [`${gain.metric}_hi`]: gain.hi,
    p: gain.p,
    p_holm: gain.pHolm,
    shown: gain.shown ? 'yes' : 'no',
  }));
}

function resultSection(record: FinishRecord): Section {
  const { improved, text, steps, final, read, warnings } = record;
  const { sets } = read;
  const gains = gainRows(record);
  return {
    heading: 'What it brought',
    parts: [
      { kind: 'verdict', tone: improved ? 'good' : 'caution', text: `${text}.` },
      ...warningParts(warnings),
      waterfall(record),
      `${sets.choosing.images} images chose: ${sets.selecting.images} which candidate, ${sets.judging.images} others whether it is better than what was there. ${String(final.rows[0]?.n_images)} images report here; they were looked at once, at the end.`,
      ...(gains.length > 0
        ? [
            {
              kind: 'table',
              caption: 'Each step against the model before it, paired, with 95 % intervals; Holm over the steps',
              columns: GAIN_COLUMNS.filter(({ field }) => gains.some((row) => row[field] !== undefined)),
              rows: gains,
            } satisfies Part,
          ]
        : []),
      {
        kind: 'table',
        caption: '95 % intervals: Wilson for accuracies, bootstrap for the rest',
        columns: [{ field: 'stage', header: 'model' }, ...SCORE_COLUMNS.filter(({ field }) => field !== 'model')],
        rows: final.rows,
        highlight: [final.rows.length - 1],
      },
      ...steps.map((one) => `${flagText(decisionText(one))}.`),
    ],
  };
}

function stepSection(step: DecidedStep): Section {
  const { title, taken, proposal } = step;
  return {
    heading: `${title[0]?.toUpperCase()}${title.slice(1)}${taken ? '' : ': left out'}`,
    parts: [
      { kind: 'verdict', tone: taken ? 'good' : 'neutral', text: `${flagText(decisionText(step))}.` },
      ...(proposal ? [`Chosen from ${proposal.among}.`, ...STEP_PICTURES[step.step](proposal)] : []),
    ],
  };
}

/** "epoch_14 0.5, epoch_15 0.5" by name. */
const weightsOf = (steps: readonly DecidedStep[]): ReadonlyMap<string, string> => {
  const average = steps.find(({ step, taken }) => step === 'average' && taken);
  const text = String(average?.proposal?.facts.weights ?? '');
  return new Map(
    text.split(', ').map((part) => [part.slice(0, part.lastIndexOf(' ')), part.slice(part.lastIndexOf(' ') + 1)]),
  );
};

function madeFrom({ read, steps, made }: FinishRecord): Section {
  const weights = weightsOf(steps);
  const named = (file: string): string | undefined =>
    [...weights].find(([name]) => name !== '' && (file === name || file.endsWith(name)))?.[1];
  const isAveraged = weights.size > 0 && !weights.has('');
  const snapshots = read.snapshots.map(({ file, sha256 }, i): FieldRow => {
    const isLast = i === read.snapshots.length - 1;
    return { snapshot: file, weight: isAveraged ? Number(named(file) ?? 0) : Number(isLast), sha256 };
  });
  const sets = (['train', 'val', 'test'] as const).flatMap((name): FieldRow[] => {
    const set = made[name];
    const data = read.settings[name];
    return set && data ? [{ set: name, source: data.source, images: set.images, table_sha256: set.tableSha256 }] : [];
  });
  return {
    heading: 'What it was made from',
    parts: [
      {
        kind: 'table',
        caption: 'The snapshots, and the share that each has in the weights',
        columns: [
          { field: 'snapshot', header: 'snapshot' },
          { field: 'weight', header: 'share', digits: 4 },
          { field: 'sha256', header: 'SHA-256' },
        ],
        rows: snapshots,
      },
      {
        kind: 'table',
        caption: 'The images',
        columns: [
          { field: 'set', header: 'set' },
          { field: 'source', header: 'source' },
          { field: 'images', header: 'images' },
          { field: 'table_sha256', header: 'SHA-256 of keys and labels' },
        ],
        rows: sets,
      },
    ],
  };
}

/** What differs from run to run. */
function timesSection({ final, steps, seconds }: FinishRecord): Section {
  return {
    heading: 'Measured time',
    parts: [
      `The whole run took ${formatNumber(seconds, { digits: 1 })} s. Times differ from run to run, everything else does not.`,
      {
        kind: 'table',
        caption: 'Steps; one that was there already took none',
        columns: [
          { field: 'step', header: 'step' },
          { field: 'seconds', header: 'time', unit: 's', digits: 1 },
        ],
        rows: steps.map(({ title, seconds: own }) => ({ step: title, seconds: own })),
      },
      {
        kind: 'table',
        caption: 'Speed',
        columns: [
          { field: 'stage', header: 'model' },
          ...SPEED_COLUMNS.filter(({ field }) => /^(img_s|ms_)/.test(field)),
        ],
        rows: final.measured,
      },
    ],
  };
}

const PROVENANCE = [
  ...['model_sha256', 'n_images', 'data', 'data_table_sha256', 'rows', 'transform_sha256', 'outputs', 'provider'],
  ...['onnxruntime', 'seed', 'version'],
];

/** The report of finish. */
export function finishPage(record: FinishRecord, command: string): Page {
  const { steps, final, read, used } = record;
  const code = (used ? usageSnippets(used) : []).map((snippet): Part => ({ kind: 'code', ...snippet }));
  return {
    title: record.improved ? 'The finished model' : 'The last snapshot stays',
    summary: `${record.text}.`,
    command,
    sections: [
      resultSection(record),
      ...steps.map(stepSection),
      madeFrom(record),
      ...(code.length > 0 ? [{ heading: 'How to use it', parts: code }] : []),
      ...readingSection([{ model: 'the snapshots', reading: read.reading }]),
      timesSection(record),
    ],
    provenance: factsOf(final.rows, PROVENANCE, 'stage'),
  };
}
