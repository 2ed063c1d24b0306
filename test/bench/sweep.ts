// Times a sweep over K sizes against inference alone, one decoding alone, and K runs of eval-ckpt: `npm run bench:sweep`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadBatches, openDataset, resolveTransform, selectRows } from '../../src/data/index.ts';
import { openSession, type Session, type Tensor } from '../../src/runtime/index.ts';
import { writePhotos } from '../support/photos.ts';
import { EVAL_CKPT, RES_SWEEP, runProgram } from '../support/run-cli.ts';
import { seededFile } from '../support/seeded-model.ts';
import { median } from './measure.ts';

const TARGET = 1.1;

const { values: options } = parseArgs({
  options: {
    repetitions: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    images: { type: 'string', default: '400' },
    graph: { type: 'string', default: 'mobilenet_v2' },
    sizes: { type: 'string', default: '128,160,192,224,256,288,320' },
  },
});
const repetitions = Number(options.repetitions);
const { threads, workers } = options;
const sizes = options.sizes.split(',').map(Number);
const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const photos = join(folder, 'photos');
await writePhotos(photos, Number(options.images), 4);
const model = join(folder, 'model.onnx');
writeFileSync(model, seededFile(options.graph));
/** Four folders of a thousand classes. */
const classes = join(folder, 'classes.json');
writeFileSync(classes, JSON.stringify(Object.fromEntries([0, 1, 2, 3].map((i) => [`class-${i}`, i]))));
const common = [
  '--classes',
  classes,
  '--data',
  photos,
  '--device',
  'cpu',
  '--threads',
  threads,
  '--workers',
  workers,
  '--batch',
  '32',
];

async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = runProgram(program, [model, ...common, ...args, '--json', '--quiet']);
  if (status !== 0) throw new Error(stderr);
}

/** Batches at one size, or once per size. */
async function batchesAt(wanted: readonly number[]): Promise<Tensor[]> {
  const dataset = await openDataset(photos, {});
  const ready: Tensor[] = [];
  for await (const { inputs } of loadBatches(dataset, {
    rows: selectRows(dataset, {}),
    transforms: wanted.map((size) => resolveTransform({ size })),
    batch: 32,
    workers: Number(workers),
    onBadImage: 'fail',
  })) {
    ready.push(...(inputs as Tensor[]));
  }
  await dataset.close();
  return ready;
}

/** Inference alone at every size, on images that are ready; one size in memory at a time, making them not counted. */
async function inference(session: Session): Promise<number> {
  const name = session.inputs[0]?.name ?? '';
  let total = 0;
  for (const size of sizes) {
    const ready = await batchesAt([size]);
    total += await seconds(async () => {
      for (const batch of ready) await session.run({ [name]: batch });
    });
  }
  return total;
}

const rounds: { infer: number; decode: number; sweep: number; separate: number }[] = [];
const session = await openSession({ model, device: 'cpu', threads: Number(threads) });
for (let round = 0; round <= repetitions; round++) {
  const infer = await inference(session);
  const decode = await seconds(() => batchesAt([Math.min(...sizes)]));
  const sweep = await seconds(() => run(RES_SWEEP, ['--train-size', '224', '--sizes', options.sizes]));
  const separate = await seconds(() => {
    for (const size of sizes) run(EVAL_CKPT, ['--size', String(size)]);
  });
  if (round > 0) rounds.push({ infer, decode, sweep, separate });
}
await session.close();

const of = (part: keyof (typeof rounds)[number]): string => median(rounds.map((one) => one[part])).toFixed(2);
const ratio = median(rounds.map(({ infer, decode, sweep }) => sweep / (infer + decode)));
const against = median(rounds.map(({ sweep, separate }) => sweep / separate));
console.log(
  `Node ${process.versions.node}, ${availableParallelism()} cores, threads ${threads}, workers ${workers}, ` +
    `${repetitions} interleaved repetitions; ${options.images} JPEGs of about 500 x 375, ` +
    `${options.graph}, ${sizes.length} sizes`,
);
console.log(
  `inference alone ${of('infer')} s, one decoding ${of('decode')} s, sweep ${of('sweep')} s, ${sizes.length} runs of eval-ckpt ${of('separate')} s`,
);
console.log(
  `sweep / (inference + one decoding) = ${ratio.toFixed(2)}  target ${TARGET}  ${ratio <= TARGET ? 'met' : 'MISSED'}`,
);
console.log(`sweep / separate runs = ${against.toFixed(2)}`);
