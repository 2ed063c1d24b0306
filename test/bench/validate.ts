// Times `eval-ckpt` against timm's validation loop over the same photos and weights: `PYTHON=python3 npm run bench:validate`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writePhotos } from '../support/photos.ts';
import { EVAL_CKPT } from '../support/run-cli.ts';
import { median } from './measure.ts';
import { hasPackages } from './packages.ts';

const FASTER = 2;
const CLASSES = 10;
const BATCH = '32';
const NETWORKS = ['resnet18', 'mobilenetv3_large_100'];

const { values: flags } = parseArgs({
  options: { repetitions: { type: 'string', default: '5' }, images: { type: 'string', default: '400' } },
});
const [repetitions, images] = [Number(flags.repetitions), Number(flags.images)];
const cores = String(availableParallelism());
const python = process.env.PYTHON ?? '/usr/bin/python3';
const peer = fileURLToPath(new URL('../../../test/bench/peers/validate_timm.py', import.meta.url));

function output(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim().split('\n').slice(-3).join(' | ')}`);
  return stdout;
}

interface Measured {
  /** From the first to the last batch. */
  readonly imagesPerSecond: number;
  /** The whole process, start included. */
  readonly seconds: number;
  readonly top1: number;
}

function timed(read: (text: string) => Omit<Measured, 'seconds'>, command: string, args: readonly string[]): Measured {
  const start = performance.now();
  const text = output(command, args);
  return { ...read(text), seconds: (performance.now() - start) / 1000 };
}

function ours(model: string, folder: string): Measured {
  const read = (text: string): Omit<Measured, 'seconds'> => {
    const { models } = JSON.parse(text) as { models: { img_s_end2end: number; top1: number }[] };
    const [one] = models;
    if (!one) throw new Error('no model in the document');
    return { imagesPerSecond: one.img_s_end2end, top1: one.top1 };
  };
  const transform = ['--preset', 'timm', '--size', '224', '--crop-ratio', '0.875', '--interpolation', 'bilinear'];
  const runtime = ['--device', 'cpu', '--threads', cores, '--workers', cores, '--batch', BATCH, '--json', '--quiet'];
  return timed(read, process.execPath, [EVAL_CKPT, model, '--data', folder, ...transform, ...runtime]);
}

function theirs(name: string, state: string, folder: string): Measured {
  const read = (text: string): Omit<Measured, 'seconds'> => {
    const [imagesPerSecond = 0, top1 = 0] = text.trim().split(' ').map(Number);
    return { imagesPerSecond, top1 };
  };
  return timed(read, python, [peer, 'run', name, state, folder, cores, cores, BATCH]);
}

if (!hasPackages(python, 'timm', 'torch', 'torchvision')) process.exit(0);
const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const photos = join(folder, 'photos');
await writePhotos(photos, images, CLASSES);
console.log(
  `Node ${process.versions.node}, ${cores} cores, ${images} JPEGs of about 500 x 375 to 224, medians of ${repetitions} interleaved runs`,
);
for (const name of NETWORKS) {
  const [state, model] = [join(folder, `${name}.pth`), join(folder, `${name}.onnx`)];
  output(python, [peer, 'make', name, String(CLASSES), state, model]);
  const pairs: [Measured, Measured][] = [];
  for (let i = 0; i <= repetitions; i++) {
    const pair: [Measured, Measured] = [ours(model, photos), theirs(name, state, photos)];
    if (i > 0) pairs.push(pair);
  }
  const of = (which: 0 | 1, field: keyof Measured): number => median(pairs.map((pair) => pair[which][field]));
  const ratio = median(pairs.map(([a, b]) => a.imagesPerSecond / b.imagesPerSecond));
  const whole = median(pairs.map(([a, b]) => b.seconds / a.seconds));
  console.log(`\n${name}: top-1 ${of(0, 'top1')} and ${of(1, 'top1')}`);
  console.log(`eval-ckpt ${of(0, 'imagesPerSecond').toFixed(1)} images/s, ${of(0, 'seconds').toFixed(2)} s in all`);
  console.log(`timm, torch ${of(1, 'imagesPerSecond').toFixed(1)} images/s, ${of(1, 'seconds').toFixed(2)} s in all`);
  console.log(
    `${ratio >= FASTER ? 'met   ' : 'MISSED'}  times faster, at least ${FASTER}: ${ratio.toFixed(2)}; as whole processes ${whole.toFixed(2)}`,
  );
}
