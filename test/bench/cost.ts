// How time and memory grow with the work, and the straight line that they follow: `npm run bench:cost [-- --only snapshots,images]`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { writePhotos } from '../support/photos.ts';
import { resnet18, writeSyntheticModel } from '../support/resnet.ts';
import { EVAL_CKPT } from '../support/run-cli.ts';
import { interleave, median, nodeProgram, type Program, type Run } from './measure.ts';

const programPath = (name: string): string => EVAL_CKPT.replace('eval-ckpt', name);
const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
const at = (name: string): string => join(folder, name);

const MOST_SNAPSHOTS = 16;
const MB_OF_WIDTH = { 1: 46.8, 0.5: 11.8, 0.25: 3 } as const;
type Width = keyof typeof MB_OF_WIDTH;
const snapshot = (width: number, i: number): string => at(`w${width}_epoch_${i + 1}.onnx`);
function makeSnapshots(): void {
  for (const width of Object.keys(MB_OF_WIDTH).map(Number)) {
    const count = width === 0.5 ? MOST_SNAPSHOTS : 8;
    for (let i = 0; i < count; i++) writeSyntheticModel(snapshot(width, i), resnet18(width), i + 1);
  }
}
const average = (width: Width, snapshots: number, ...more: string[]): string[] => [
  programPath('avg-ckpt'),
  ...Array.from({ length: snapshots }, (_, i) => snapshot(width, i)),
  ...(more.length > 0 ? more : ['--out', at('average.onnx')]),
  '--force',
];

const PHOTOS = 200;
const TRANSFORM = ['--preset', 'none', '--mean', '0.286', '--std', '0.353', '--device', 'cpu', '--threads', '1'];
const DATA = [
  ...['--data', join(FASHION, 'test-images-idx3-ubyte.gz')],
  ...['--labels', join(FASHION, 'test-labels-idx1-ubyte.gz')],
];
const NEWEST = SNAPSHOTS.at(-1) as string;
const LARGE = ['--preset', 'torchvision', '--classes', at('classes.json'), '--device', 'cpu', '--threads', '1'];

/** Predictions of a made-up network over so many classes, as a per-image file with few columns. */
function predictions(classes: number): string {
  const path = at(`classes-${classes}.csv`);
  const rows = Array.from({ length: 20_000 }, (_, i) => {
    const label = i % classes;
    const said = i % 4 === 0 ? (label + 1) % classes : label;
    const others = [1, 2, 3, 4].map((k) => (said + k) % classes);
    return `made-up,${String(i).padStart(6, '0')},${label},${[said, ...others].join(',')},${said === label ? 0.3 : 2},0.75,0.6`;
  });
  writeFileSync(path, `model,key,label,class1,class2,class3,class4,class5,nll,confidence,sum_p2\n${rows.join('\n')}\n`);
  return path;
}

interface Axis {
  readonly name: string;
  readonly command: string;
  /** What `x` counts. */
  readonly unit: string;
  readonly values: readonly number[];
  readonly prepare?: () => void | Promise<void>;
  readonly args: (x: number) => readonly string[];
}

const AXES: readonly Axis[] = [
  {
    name: 'snapshots',
    command: 'avg-ckpt, 11.8 MB each',
    unit: 'snapshots',
    values: [2, 4, 8, 16],
    prepare: makeSnapshots,
    args: (x) => average(0.5, x),
  },
  {
    name: 'model-size',
    command: 'avg-ckpt, 8 snapshots',
    unit: 'MB of one',
    values: Object.values(MB_OF_WIDTH).toSorted((a, b) => a - b),
    prepare: makeSnapshots,
    args: (x) => average(Number(Object.entries(MB_OF_WIDTH).find(([, mb]) => mb === x)?.[0]) as Width, 8),
  },
  {
    name: 'outputs',
    command: 'avg-ckpt, 8 snapshots of 46.8 MB',
    unit: 'outputs',
    values: [1, 2, 4, 8],
    prepare: makeSnapshots,
    args: (x) =>
      average(1, 8, '--decay', [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8].slice(0, x).join(), '--out-dir', at('many')),
  },
  {
    name: 'images',
    command: 'eval-ckpt, 20 px',
    unit: 'images',
    values: [1000, 2500, 5000, 10_000],
    args: (x) => [EVAL_CKPT, NEWEST, ...DATA, ...TRANSFORM, '--size', '20', '--rows', `0:${x}`],
  },
  {
    name: 'classes',
    command: 'eval-ckpt --from, 20,000 images',
    unit: 'classes',
    values: [10, 100, 300, 1000],
    args: (x) => [
      EVAL_CKPT,
      '--from',
      predictions(x),
      '--per-class',
      at('pc.csv'),
      '--confusion',
      at('cf.csv'),
      '--force',
    ],
  },
  {
    name: 'sizes',
    command: 'res-sweep, 2,000 images',
    unit: 'sizes',
    values: [1, 2, 4],
    args: (x) => [
      ...[programPath('res-sweep'), NEWEST, ...DATA, ...TRANSFORM, '--train-size', '20', '--rows', '0:2000'],
      ...['--sizes', [20, 21, 22, 23].slice(0, x).join(), '--csv', at('sweep.csv'), '--force'],
    ],
  },
  {
    name: 'workers',
    command: `eval-ckpt, ${PHOTOS} JPEG to 224 px, ResNet-18 of half width`,
    unit: 'decoding threads',
    values: [1, 2, 4],
    prepare: async () => {
      makeSnapshots();
      await writePhotos(at('photos'), PHOTOS, 10);
      writeFileSync(at('classes.json'), JSON.stringify(Array.from({ length: 1000 }, (_, i) => `class-${i}`)));
    },
    args: (x) => [EVAL_CKPT, snapshot(0.5, 0), '--data', at('photos'), ...LARGE, '--workers', String(x)],
  },
];

/** Least squares of y = a + b·x, and its largest residual over the largest y. */
function line(points: readonly (readonly [x: number, y: number])[]): { at0: number; slope: number; off: number } {
  const mean = (of: 0 | 1): number => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x0, y0] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [x]) => sum + (x - x0) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - x0) * (y - y0), 0) / spread;
  const at0 = y0 - slope * x0;
  const worst = Math.max(...points.map(([x, y]) => Math.abs(y - at0 - slope * x)));
  return { at0, slope, off: worst / Math.max(...points.map(([, y]) => y)) };
}

const MEASURES = {
  'processor s': ({ cpuSeconds }: Run) => cpuSeconds,
  'wall s': ({ seconds }: Run) => seconds,
  'peak MB': ({ peakMb }: Run) => peakMb,
} as const;

const { values: options } = parseArgs({
  options: { repetitions: { type: 'string', default: '3' }, only: { type: 'string', default: '' } },
});
const chosen = options.only === '' ? AXES : AXES.filter(({ name }) => options.only.split(',').includes(name));
console.log(
  `Node ${process.versions.node}, ${availableParallelism()} cores, medians of ${options.repetitions} interleaved runs; lines by least squares`,
);
for (const { command, unit, values, prepare, args } of chosen) {
  await prepare?.();
  const programs = values.map((x): Program => nodeProgram(String(x), ...args(x)));
  const runs = await interleave(programs, Number(options.repetitions));
  console.log(`\n${command}\n${unit.padStart(18)}${values.map((x) => String(x).padStart(10)).join('')}`);
  for (const [name, of] of Object.entries(MEASURES)) {
    const found = values.map((x) => [x, median((runs.get(String(x)) as Run[]).map(of))] as const);
    const { at0, slope, off } = line(found);
    const cells = found.map(([, y]) => y.toFixed(2).padStart(10)).join('');
    console.log(
      `${name.padStart(18)}${cells}   ${at0.toFixed(2)} + ${slope.toPrecision(3)} x ${unit} (off by at most ${(100 * off).toFixed(0)} %)`,
    );
  }
}
