// Times the making of a target store, from image files to a whole store, against its two halves, each alone: `npm run bench:teacher`.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BatchInput, loadBatches } from '../../src/data/index.ts';
import {
  checkParts,
  makeParts,
  prepareTargets,
  publishManifest,
  samplesText,
  startStore,
  type TeacherOptions,
  viewsOf,
} from '../../src/distill/index.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { writePhotos } from '../support/photos.ts';
import { resnet18, writeSyntheticModel } from '../support/resnet.ts';
import { copies, HEADER, halvesLine, infer, measureHalves } from './halves.ts';

const TARGET = 1.1;
const PHOTOS = 400;
/** Widths of ResNet-18: one core infers about as fast as another decodes; inference takes several times longer. */
const WIDTHS = [3 / 8, 1];

const { values: options } = parseArgs({
  options: {
    repetitions: { type: 'string', default: '7' },
    threads: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    images: { type: 'string', default: String(PHOTOS) },
  },
});
const [repetitions, threads, workers, photos] = (['repetitions', 'threads', 'workers', 'images'] as const).map((name) =>
  Number(options[name]),
) as [number, number, number, number];

const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const common = { threads, workers, batch: 32, device: 'cpu' } as const;

interface Case {
  readonly name: string;
  readonly options: TeacherOptions;
}

/** One round is inference alone on inputs in memory, decoding alone, and a store from its first file to its manifest. */
async function measure({ name, options }: Case): Promise<void> {
  const job = await prepareTargets(options, { note: () => undefined, signal: new AbortController().signal });
  const { run, chosen, teachers, transforms } = job;
  const { dataset, rows } = chosen;
  try {
    const [{ session }] = teachers as [(typeof teachers)[number]];
    const loader = { rows, transforms, views: viewsOf(run), batch: run.batch, workers, onBadImage: 'fail' } as const;
    const ready: BatchInput[] = [];
    for await (const { inputs } of loadBatches(dataset, loader)) ready.push(inputs[0] as BatchInput);
    let batches: BatchInput[] = [];
    const out = join(folder, 'store');
    const rounds = await measureHalves(
      {
        prepare: () => {
          batches = copies(ready);
          rmSync(out, { recursive: true, force: true });
        },
        infer: () => infer(session, batches),
        decode: async () => {
          for await (const _ of loadBatches(dataset, loader));
        },
        whole: async () => {
          const runHash = await startStore(out, run, samplesText(dataset, rows));
          const parts = Array.from({ length: run.n_parts }, (_, part) => part);
          await makeParts({
            folder: out,
            run,
            runHash,
            dataset,
            rows,
            parts,
            teachers,
            transforms,
            workers,
            onBadImage: 'fail',
          });
          publishManifest(out, await checkParts(out));
        },
      },
      repetitions,
    );
    console.log(halvesLine(name, run.n_rows, rounds, TARGET));
  } finally {
    await job.close();
  }
}

const cases: Case[] = [
  {
    name: 'fixtures/fashion, 28 to 20 px',
    options: {
      ...common,
      teachers: [SNAPSHOTS.at(-1) as string],
      data: { source: `${FASHION}/test-images-idx3-ubyte.gz` },
      transform: { preset: 'none', size: 20, mean: [0.286], std: [0.353] },
    },
  },
];
const images = join(folder, 'photos');
// One folder, and no labels: the network's thousand classes are none of theirs.
await writePhotos(images, photos, 1);
for (const width of WIDTHS) {
  const model = join(folder, `resnet18-${width}.onnx`);
  writeSyntheticModel(model, resnet18(width), 1);
  const options = { ...common, teachers: [model], data: { source: join(images, 'class-0') } };
  const views = { augment: { randomResizedCrop: {}, flip: 0.5 }, count: 4 };
  cases.push({ name: `JPEG to 224, ResNet-18 x ${width}`, options });
  cases.push({ name: '  4 views, RRC and flip', options: { ...options, views } });
}
console.log(
  `Node ${process.versions.node}, ${availableParallelism()} cores, threads ${threads}, workers ${workers}, ` +
    `${repetitions} interleaved repetitions; ${photos} JPEGs of about 500 x 375`,
);
console.log(HEADER);
for (const one of cases) await measure(one);
