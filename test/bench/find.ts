// What finding a preprocessing costs, in plain evaluations of its sample: `npm run bench:find`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { evaluate, type FindTransformOptions, findTransform } from '../../src/index.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { writePhotos } from '../support/photos.ts';
import { resnet18, writeSyntheticModel } from '../support/resnet.ts';
import { cost } from './halves.ts';
import { median } from './measure.ts';

/** Of an evaluation of the sample, in processor time; on the clock likewise. */
const TARGET = 4;

const { values: flags } = parseArgs({
  options: { repetitions: { type: 'string', default: '3' }, images: { type: 'string', default: '500' } },
});
const [repetitions, photos] = [Number(flags.repetitions), Number(flags.images)];

const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const images = join(folder, 'photos');
await writePhotos(images, photos, 4);
const classes = join(folder, 'classes.json');
writeFileSync(classes, JSON.stringify({ 'class-0': 0, 'class-1': 1, 'class-2': 2, 'class-3': 3 }));
const resnet = join(folder, 'resnet18.onnx');
writeSyntheticModel(resnet, resnet18(3 / 8), 1);
const fashion = {
  source: `${FASHION}/test-images-idx3-ubyte.gz`,
  labels: `${FASHION}/test-labels-idx1-ubyte.gz`,
  limit: photos,
};
type Case = Pick<FindTransformOptions, 'model' | 'data' | 'transform'> & { readonly name: string };
const cases: readonly Case[] = [
  {
    name: 'fixtures/fashion, 28 to 20 px',
    ...{ model: SNAPSHOTS.at(-1) as string, data: fashion },
    transform: { preset: 'none', size: 20, mean: [0], std: [1 / 255] },
  },
  {
    name: 'JPEG to 224, ResNet-18 x 3/8',
    model: resnet,
    data: { source: images, classes, limit: photos },
    transform: {},
  },
];

console.log(
  `Node ${process.versions.node}, ${availableParallelism()} cores, threads 1, workers 1, ${repetitions} interleaved repetitions; ${photos} images`,
);
const common = { device: 'cpu', threads: 1, workers: 1 } as const;
for (const { name, model, data, transform } of cases) {
  const rounds: { readonly wall: number; readonly cpu: number }[] = [];
  let counted = 0;
  for (let round = 0; round <= repetitions; round++) {
    const plain = await cost(() => evaluate({ ...common, models: [model], data, transform }));
    const found = await cost(async () => {
      counted = (await findTransform({ ...common, model, data, transform })).evaluations;
    });
    if (round > 0) rounds.push({ wall: found.wall / plain.wall, cpu: found.cpu / plain.cpu });
  }
  const [wall, cpu] = [median(rounds.map((one) => one.wall)), median(rounds.map((one) => one.cpu))];
  console.log(
    `${name.padEnd(30)} x evaluation: processor ${cpu.toFixed(2)}, wall ${wall.toFixed(2)}; counted ${counted.toFixed(2)} ` +
      `(at most ${TARGET})  ${cpu <= TARGET ? 'met' : 'MISSED'}`,
  );
}
