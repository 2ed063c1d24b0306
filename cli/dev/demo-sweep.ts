import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { writeFileAtomic } from '../../src/core/index.ts';
import { type ChartPoint, chartSvg, formatNumber } from '../../src/report/index.ts';
import { commandLine } from '../shared/command-line.ts';

/** The end of the demo: at which size should the average be tested? Run as a user runs it. */

const RES_SWEEP = fileURLToPath(new URL('../res-sweep.js', import.meta.url));
const FASHION = 'fixtures/fashion';
const TRAIN_SIZE = 20;

type Row = Readonly<Record<'variant' | 'test_size' | 'top1' | 'top1_lo' | 'top1_hi', string>>;

const argumentsOf = (model: string): string[] => [
  model,
  ...['--data', `${FASHION}/test-images-idx3-ubyte.gz`, '--labels', `${FASHION}/test-labels-idx1-ubyte.gz`],
  ...['--preset', 'none', '--mean', '0.2860', '--std', '0.3530'],
  ...['--train-size', String(TRAIN_SIZE), '--sizes', '12:36:2'],
  ...['--bn', 'recalibrate', '--train', `${FASHION}/train-2k-images-idx3-ubyte.gz`, '--recommend'],
  ...['--csv', 'reports/sweep.csv', '--report', 'reports/sweep.html', '--force'],
];

const pointsOf = (rows: readonly Row[], variant: string): ChartPoint[] =>
  rows
    .filter((row) => row.variant === variant && row.top1 !== '')
    .map((row) => ({
      x: Number(row.test_size),
      y: Number(row.top1),
      low: Number(row.top1_lo),
      high: Number(row.top1_hi),
    }));

const percent = (value: unknown): string => `${formatNumber(Number(value), { percent: true })} %`;

/** Sweeps the model's test size; leaves sweep.csv, sweep.html and sweep.svg in reports/. */
export function sweepDemo(root: string, model: string): void {
  const args = argumentsOf(relative(root, model));
  process.stderr.write(`$ ${commandLine('res-sweep', args)}\n`);
  const { status } = spawnSync(process.execPath, [RES_SWEEP, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`res-sweep ended with ${status}`);
  const rows = parse(readFileSync(join(root, 'reports', 'sweep.csv')), { columns: true }) as Row[];
  const [kept, recalibrated] = [pointsOf(rows, 'keep'), pointsOf(rows, 'recalibrated')];
  const [smallest, trained] = [kept[0], kept.find(({ x }) => x === TRAIN_SIZE)];
  writeFileAtomic(
    join(root, 'reports', 'sweep.svg'),
    chartSvg({
      kind: 'lines',
      title: 'Top-1 of the uniform average by test size, on 10,000 test images',
      description: `At the train size of ${TRAIN_SIZE} px ${percent(trained?.y)}; at ${smallest?.x} px ${percent(smallest?.y)}, and ${percent(recalibrated[0]?.y)} with statistics recalibrated at that size.`,
      x: {
        label: 'test size',
        unit: 'px',
        ticks: kept.map(({ x }) => x),
        over: { value: TRAIN_SIZE, label: 'test/train' },
      },
      y: { label: 'top-1, with 95 % Wilson interval', percent: true },
      series: [
        { name: 'BatchNorm statistics as trained', points: kept },
        { name: 'recalibrated at each size', points: recalibrated },
      ],
      markers: [{ axis: 'x', at: TRAIN_SIZE, label: `train size ${TRAIN_SIZE} px` }],
    }),
    { force: true },
  );
  process.stdout.write('wrote reports/sweep.csv, reports/sweep.html and reports/sweep.svg\n');
}
