import type { Chart, Page } from '../../src/report/index.ts';

/** Test sizes of a ratio table, with numbers of a usual shape. */
const SIZES = [12, 16, 20, 24, 28, 32, 36];
const MEASURED = [0.6412, 0.7933, 0.8853, 0.8741, 0.8312, 0.7655, 0.6891];
const RECALIBRATED = [0.7102, 0.8183, 0.8849, 0.8879, 0.8724, 0.8511, 0.8204];
const HALF_WIDTH = 0.0065;
const band = (values: readonly number[]) =>
  values.map((y, i) => ({ x: SIZES[i] as number, y, low: y - HALF_WIDTH, high: y + HALF_WIDTH }));

const SIZE_CURVE = {
  kind: 'lines',
  title: 'Top-1 by test size',
  description: 'Without recalibration the best size is the train size, 20 px; with it, 24 px.',
  x: { label: 'test size', unit: 'px', ticks: SIZES, over: { value: 20, label: 'test/train' } },
  y: { label: 'top-1', percent: true },
  series: [
    { name: 'statistics as trained', points: band(MEASURED) },
    { name: 'recalibrated at each size', points: band(RECALIBRATED) },
    {
      name: 'predicted by apparent size',
      line: 'predicted',
      points: SIZES.map((x) => ({ x, y: 0.88 - 0.0009 * (x - 23) ** 2 })),
    },
  ],
  markers: [
    { axis: 'x', at: 20, label: 'train size 20 px' },
    { axis: 'x', at: 24, label: 'recommended 24 px' },
  ],
} as const satisfies Chart;

const THROUGHPUT = {
  kind: 'scatter',
  title: 'Accuracy against throughput',
  description: 'On the Pareto front no other size is both faster and more accurate.',
  x: { label: 'throughput', unit: 'images/s', digits: 0 },
  y: { label: 'top-1', percent: true },
  front: true,
  points: ['statistics as trained', 'recalibrated'].flatMap((group, g) =>
    SIZES.map((size, i) => ({
      x: 2_600_000 / size ** 2 + (g === 0 ? 0 : -60),
      y: (g === 0 ? MEASURED : RECALIBRATED)[i] as number,
      low: ((g === 0 ? MEASURED : RECALIBRATED)[i] as number) - HALF_WIDTH,
      high: ((g === 0 ? MEASURED : RECALIBRATED)[i] as number) + HALF_WIDTH,
      label: `${size} px`,
      group,
    })),
  ),
} as const satisfies Chart;

const RELIABILITY = {
  kind: 'reliability',
  title: 'Reliability of uniform.onnx',
  description: 'Confidence exceeds accuracy in most bins: overconfident by 3.1 points on average.',
  ece: 0.0312,
  eceIfCalibrated: 0.0101,
  bins: Array.from({ length: 15 }, (_, b) => {
    const confidence = (b + 0.6) / 15;
    const accuracy = Math.max(0.02, confidence - 0.05 * Math.sin((Math.PI * b) / 14));
    return b < 2
      ? { low: b / 15, high: (b + 1) / 15, count: 0, confidence: null, accuracy: null }
      : {
          low: b / 15,
          high: (b + 1) / 15,
          count: Math.round(20 + 1.6 ** b),
          confidence,
          accuracy,
          accuracyLow: accuracy - 0.4 / Math.sqrt(20 + 1.6 ** b),
          accuracyHigh: Math.min(1, accuracy + 0.4 / Math.sqrt(20 + 1.6 ** b)),
        };
  }),
} as const satisfies Chart;

const DECAYS = {
  kind: 'lines',
  title: 'Top-1 by EMA decay',
  description: 'Flat from 0.9 to 0.99.',
  x: { label: 'decay per snapshot', scale: 'decay' },
  y: { label: 'top-1', percent: true },
  series: [
    {
      name: 'EMA',
      points: [
        { x: 0, y: 0.8763 },
        { x: 0.5, y: 0.8812 },
        { x: 0.8, y: 0.8871, label: 'chosen' },
        { x: 0.9, y: 0.8866 },
        { x: 0.99, y: 0.8853 },
        { x: 0.999, y: 0.8853 },
      ],
    },
  ],
} as const satisfies Chart;

const MODELS = {
  kind: 'dots',
  title: 'Top-1 of 12 snapshots and of their averages, on 10,000 test images',
  description: 'Every average is better than every snapshot.',
  axis: { label: 'top-1, with 95 % Wilson interval', percent: true },
  background: 'single snapshot',
  dots: [0.853, 0.849, 0.868, 0.857, 0.862, 0.871, 0.8763, 0.8853, 0.8893].map((value, i) => ({
    label: i < 7 ? `epoch_${14 + i}` : ['uniform', 'power-sigma0.1'][i - 7],
    value,
    low: value - HALF_WIDTH,
    high: value + HALF_WIDTH,
    group: i < 7 ? 'single snapshot' : 'average of the 12',
  })) as { label: string; value: number; low: number; high: number; group: string }[],
} as const satisfies Chart;

const RATIOS = {
  kind: 'lines',
  title: 'New variance over old, by layer',
  description: 'Median and range over channels, in the order of the graph.',
  x: { label: 'layer, in the order of the graph' },
  y: { label: 'variance ratio', scale: 'log' },
  series: [
    {
      name: 'median over channels, with the range',
      points: Array.from({ length: 20 }, (_, i) => ({
        x: i + 1,
        y: 1 + 0.4 * Math.sin(i / 3),
        low: 0.4,
        high: 2.5 + Math.cos(i),
      })),
    },
  ],
  markers: [{ axis: 'y', at: 1, label: 'unchanged' }],
} as const satisfies Chart;

/** Every kind of chart. */
export const SAMPLE_CHARTS: readonly Chart[] = [SIZE_CURVE, THROUGHPUT, RELIABILITY, DECAYS, MODELS, RATIOS];

/** A page with every kind of part. */
export const SAMPLE_PAGE: Page = {
  title: 'uniform.onnx at 7 test sizes',
  summary: 'Test at 24 px with recalibrated statistics: 88.79 % (88.16 to 89.39), 0.26 points over the train size.',
  command:
    "res-sweep uniform.onnx --data test-images-idx3-ubyte.gz --train-size 20 --sizes 12:36:4 --bn recalibrate --bn-data 'my train images/' --report sweep.html",
  sections: [
    {
      heading: 'Which size',
      parts: [
        'Every size is measured on the same 10,000 images, so that differences are paired.',
        { kind: 'verdict', tone: 'good', text: '24 px is the cheapest size within the noise of the best.' },
        {
          kind: 'verdict',
          tone: 'caution',
          text: 'From 32 px on, images are enlarged: 100 % of them are smaller than that.',
        },
        SIZE_CURVE,
        {
          kind: 'table',
          caption: '95 % Wilson intervals; differences to the train size are paired, p by McNemar with Holm.',
          columns: [
            { field: 'variant', header: 'statistics' },
            { field: 'test_size', header: 'size', unit: 'px' },
            { field: 'ratio', header: 'test/train', digits: 2 },
            { field: 'top1', header: 'top-1', percent: true, interval: ['top1_lo', 'top1_hi'] },
            { field: 'difference', header: 'difference', unit: 'points', percent: true, signed: true },
            { field: 'nll', header: 'NLL', digits: 4 },
            { field: 'gmacs', header: 'GMACs' },
            { field: 'pareto', header: 'Pareto' },
          ],
          rows: SIZES.map((size, i) => ({
            variant: 'recalibrated',
            test_size: size,
            ratio: size / 20,
            top1: RECALIBRATED[i],
            top1_lo: (RECALIBRATED[i] as number) - HALF_WIDTH,
            top1_hi: (RECALIBRATED[i] as number) + HALF_WIDTH,
            difference: size === 20 ? null : (RECALIBRATED[i] as number) - 0.8853,
            nll: 1.2 - (RECALIBRATED[i] as number),
            gmacs: 0.0123 * (size / 20) ** 2,
            pareto: i < 4,
          })),
          highlight: [3],
        },
      ],
    },
    { heading: 'Cost', parts: [THROUGHPUT] },
    { heading: 'Calibration', parts: [RELIABILITY, { ...RELIABILITY, title: 'Reliability of epoch_25.onnx' }] },
    { heading: 'Others', parts: [DECAYS, MODELS, RATIOS] },
  ],
  provenance: [
    { name: 'model_sha256', value: 'b7'.repeat(32) },
    { name: 'data', value: 'test-images-idx3-ubyte.gz' },
    { name: 'provider', value: 'cpu' },
    { name: 'seed', value: 0 },
    { name: 'version', value: '0.1.0' },
  ],
};
