import { decisionText, type FinishPlan, type FinishRecord } from '../../src/finish/index.ts';
import { columnTable, shortColumns } from '../shared/column-table.ts';
import { flagText } from '../shared/flag-text.ts';
import { SCORE_COLUMNS } from '../shared/sections/score-columns.ts';
import { textTable } from '../shared/text-table.ts';

const STAGES = [{ field: 'stage', header: '' }, ...SCORE_COLUMNS];

/** What each step brought, and the result in a sentence. */
export function finishText({ read, steps, final, text, warnings }: FinishRecord): string {
  const { sets } = read;
  const table = columnTable(
    [
      ...shortColumns(STAGES, { stage: '', top1: 'top-1 %' }),
      ...shortColumns(STAGES, { top5: 'top-5 %', nll: 'NLL', ece15: 'ECE' }, { intervals: false }),
    ],
    final.rows,
  );
  return [
    `${sets.choosing.images} images chose (${sets.selecting.images} candidates, ${sets.judging.images} whether to take them):`,
    ...steps.map((one) => `  ${flagText(decisionText(one))}`),
    `on ${String(final.rows[0]?.n_images)} images that no step has seen:`,
    table,
    text,
    ...warnings.map((one) => `warning: ${flagText(one)}`),
    '',
  ].join('\n');
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
function bytesText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 2 ** (10 * power)).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}

function secondsText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}

/** What would run. */
export function planText({ snapshots, images, steps, passes, seconds, memoryBytes, diskBytes }: FinishPlan): string {
  const table = textTable(
    ['step', 'image passes', 'what'],
    steps.map(({ step, passes: own, text }) => [step.replace('_', '-'), String(Math.round(own)), text]),
  );
  const time = seconds === undefined ? '' : `, about ${secondsText(seconds)} at the speed of a first run`;
  return [
    `${snapshots.length} snapshots; ${images.choosing} images choose, ${images.reporting} report; ${images.train} of training`,
    table,
    `${passes} passes of an image through the network${time}`,
    `at most ${bytesText(memoryBytes)} of memory (--memory), and ${bytesText(diskBytes)} of disk`,
    'nothing was written (--dry-run)',
    '',
  ].join('\n');
}
