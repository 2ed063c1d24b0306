// Resize of one photo-sized image in one thread: ours over sharp's, the two interleaved in one run.
// Processor time (user + system, all threads), so that other programs on the machine disturb little.
// Prints a line per case; ratio is the median over rounds of (our time / sharp's time in the same round).
import sharp from 'sharp';
import { type PillowFilter, type Pixels, resample } from '../../src/data/index.ts';

const ROUNDS = 31;
const CALLS = 10;
/** sharp's kernel that is nearest to Pillow's. */
const KERNELS = { bilinear: 'linear', bicubic: 'cubic', lanczos: 'lanczos3' } as const;

function photo(width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = 96 + 90 * Math.sin(i / 700) + (state >>> 27);
  }
  return { data, width, height, channels: 3 };
}

interface Case {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  /** Side of the centre crop, or the whole. */
  readonly crop?: number;
  readonly interpolation: keyof typeof KERNELS & PillowFilter;
}

const CASES: Case[] = [
  { from: [500, 375], to: [341, 256], crop: 224, interpolation: 'bilinear' },
  { from: [500, 375], to: [298, 224], crop: 224, interpolation: 'bilinear' },
  { from: [500, 375], to: [298, 224], interpolation: 'bilinear' },
  { from: [500, 375], to: [224, 224], interpolation: 'bilinear' },
  { from: [500, 375], to: [512, 384], crop: 336, interpolation: 'bilinear' },
  { from: [1600, 1200], to: [341, 256], crop: 224, interpolation: 'bilinear' },
  { from: [500, 375], to: [341, 256], crop: 224, interpolation: 'bicubic' },
  { from: [500, 375], to: [224, 224], interpolation: 'bicubic' },
  { from: [500, 375], to: [341, 256], crop: 224, interpolation: 'lanczos' },
];

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1] as number;

async function timedMs(work: () => unknown): Promise<number> {
  const start = process.cpuUsage();
  for (let i = 0; i < CALLS; i++) await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000 / CALLS;
}

sharp.concurrency(1);
sharp.cache(false);
for (const { from, to, crop, interpolation } of CASES) {
  const image = photo(...from);
  const [width, height] = to;
  const window = crop
    ? { left: (width - crop) >> 1, top: (height - crop) >> 1, width: crop, height: crop }
    : { left: 0, top: 0, width, height };
  const raw = { width: image.width, height: image.height, channels: image.channels };
  const ours = () => resample(image, { interpolation, size: { width, height }, window });
  const theirs = () => {
    const resized = sharp(image.data, { raw }).resize(width, height, { fit: 'fill', kernel: KERNELS[interpolation] });
    return (crop ? resized.extract(window) : resized).raw().toBuffer();
  };
  const rounds: [number, number][] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push([await timedMs(ours), await timedMs(theirs)]);
  const label = `${interpolation} ${from.join('x')} to ${to.join('x')}${crop ? ` crop ${crop}` : ''}`;
  const mine = median(rounds.map(([a]) => a)).toFixed(3);
  const sharps = median(rounds.map(([, b]) => b)).toFixed(3);
  const ratio = median(rounds.map(([a, b]) => a / b)).toFixed(3);
  console.log(`${label.padEnd(46)} ours ${mine} ms  sharp ${sharps} ms  ratio ${ratio}`);
}
