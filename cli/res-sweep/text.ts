import type { FieldRow } from '../../src/core/index.ts';
import type { SizePrediction, SweepRecord, SweptRow } from '../../src/resolution/index.ts';
import { textTable } from '../shared/text-table.ts';
import { choiceText } from './choice-text.ts';

const percent = (value: unknown): string => (typeof value === 'number' ? (100 * value).toFixed(2) : '');
const fixed = (value: unknown, digits: number): string => (typeof value === 'number' ? value.toFixed(digits) : '');
const probability = (p: unknown): string => (typeof p === 'number' && p < 1e-4 ? '<0.0001' : fixed(p, 4));

type TableColumn = readonly [header: string, of: (fields: FieldRow) => string];

/** What tells rows of one size apart, where there are several. */
const VARIANTS: readonly TableColumn[] = [
  ['resize', (f) => String(f.resize_size)],
  ['filter', (f) => String(f.interpolation)],
  ['variant', (f) => String(f.variant)],
];

const MEASURED: readonly TableColumn[] = [
  ['ratio', (f) => fixed(f.ratio, 2)],
  ['top-1 %', (f) => percent(f.top1)],
  ['95 % interval', (f) => (f.top1 === undefined ? '' : `${percent(f.top1_lo)} to ${percent(f.top1_hi)}`)],
  ['against train size', (f) => percent(f.top1_difference)],
  ['p (Holm)', (f) => probability(f.mcnemar_p_holm)],
  ['NLL', (f) => fixed(f.nll, 4)],
  ['img/s', (f) => fixed(f.img_s_model, 1)],
  ['front', (f) => (f.pareto === true ? '*' : '')],
];

/** The table for people: what chooses a size. CSV and --json have all fields. */
function tableText(rows: readonly SweptRow[]): string {
  const models = new Set(rows.map(({ model }) => model)).size > 1;
  const varies = ([, of]: TableColumn): boolean =>
    rows.some((a) =>
      rows.some(
        (b) => a.model === b.model && a.fields.test_size === b.fields.test_size && of(a.fields) !== of(b.fields),
      ),
    );
  const names: readonly TableColumn[] = [
    ...(models ? [['model', (f: FieldRow) => String(f.model)] as const] : []),
    ['size', (f) => String(f.test_size)],
    ...VARIANTS.filter(varies),
  ];
  const columns = [...names, ...MEASURED, ...VARIANTS.filter((column) => !varies(column))];
  return textTable(
    columns.map(([header]) => header),
    rows.map(({ fields }) => columns.map(([, of]) => of(fields))),
    names.length,
  );
}

function predictionText(predictions: readonly SizePrediction[] | undefined): string {
  return (predictions ?? [])
    .map(
      ({ model, trainSize, ratio, squareRatio }) =>
        `${model}: objects look as large as in training at ${ratio.toFixed(2)} times the train size, ${Math.round(ratio * trainSize)} px (square images: ${squareRatio.toFixed(2)})\n`,
    )
    .join('');
}

/** A sweep for people. @param recommend whether to name a size and the options to use */
export function sweepText({ rows, choices, predictions }: SweepRecord, recommend: boolean): string {
  return [tableText(rows), choiceText(choices, recommend), predictionText(predictions)].filter(Boolean).join('\n');
}
