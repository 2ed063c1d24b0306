// Times evaluation from image files to scores against its two halves, each alone: `npm run bench:evaluate`.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { controlOf } from '../../src/core/index.ts';
import { type BatchInput, loadBatches, openDataset, selectRows } from '../../src/data/index.ts';
import { evaluateSessions, type StageOptions } from '../../src/evaluate/index.ts';
import { openSession, type Tensor } from '../../src/runtime/index.ts';
import { type TransformChoice, transformFor } from '../../src/signature/index.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { writePhotos } from '../support/photos.ts';
import { resnet18, writeSyntheticModel } from '../support/resnet.ts';
import { copies, HEADER, halvesLine, infer, measureHalves } from './halves.ts';
import { median } from './measure.ts';
import { READ_IMAGES, READING_TARGET, readingMs } from './reading.ts';

const TARGET = 1.15;
const PHOTOS = 400;
/** Widths of ResNet-18: one core infers about as fast as another decodes; inference takes several times longer. */
const WIDTHS = [
  { width: 3 / 8, passes: 4 },
  { width: 1, passes: 1 },
];

const { values: flags } = parseArgs({
  options: {
    repetitions: { type: 'string', default: '7' },
    threads: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    images: { type: 'string', default: String(PHOTOS) },
  },
});
const [repetitions, threads, workers, photos] = (['repetitions', 'threads', 'workers', 'images'] as const).map((name) =>
  Number(flags[name]),
) as [number, number, number, number];

interface Case {
  readonly name: string;
  readonly model: string;
  readonly data: string;
  readonly labels?: string;
  readonly options: StageOptions & { readonly transform: TransformChoice };
  /** How often the rows are gone through: the start of the decoding threads and the first batch must not count. */
  readonly passes: number;
  /** Whether the cost of reading the model and its labels is told beside it. */
  readonly readsModel?: boolean;
}

/** One round is inference alone, decoding alone and the whole, in this order. */
async function measure({ name, model, data, labels, options, passes, readsModel = false }: Case): Promise<void> {
  const session = await openSession({ model, device: 'cpu', threads });
  const dataset = await openDataset(data, { labels });
  try {
    const once = selectRows(dataset, { rows: undefined, limit: undefined, seed: undefined });
    const rows = Uint32Array.from({ length: once.length * passes }, (_, i) => once[i % once.length] as number);
    const loader = {
      rows,
      transforms: [transformFor(options.transform, session, undefined)],
      batch: options.batch ?? 1,
      workers,
      onBadImage: 'fail',
    } as const;
    const ready: BatchInput[] = [];
    for await (const { inputs } of loadBatches(dataset, loader)) ready.push(inputs[0] as BatchInput);
    let batches: BatchInput[] = [];
    const rounds = await measureHalves(
      {
        prepare: () => {
          batches = copies(ready);
        },
        infer: () => infer(session, batches),
        decode: async () => {
          for await (const _ of loadBatches(dataset, loader));
        },
        whole: () => evaluateSessions([session], { dataset, rows }, options, controlOf()),
      },
      repetitions,
    );
    console.log(halvesLine(name, rows.length, rounds, TARGET));
    if (!readsModel) return;
    const evaluation = (READ_IMAGES * median(rounds.map(({ whole }) => whole.wall))) / rows.length;
    const readings: number[] = [];
    for (let i = 0; i < repetitions; i++) readings.push(await readingMs(model, session, ready[0] as Tensor));
    const share = median(readings) / evaluation;
    const verdict = share <= READING_TARGET ? 'met' : 'MISSED';
    console.log(
      `the whole reading: ${median(readings).toFixed(0)} ms, ${(100 * share).toFixed(2)} % of an evaluation of ${READ_IMAGES} images ` +
        `(at most ${100 * READING_TARGET} %)  ${verdict}`,
    );
  } finally {
    await session.close();
    await dataset.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const common = { workers, batch: 32 } as const;
const cases: Case[] = [
  {
    name: 'fixtures/fashion, 28 to 20 px',
    model: SNAPSHOTS.at(-1) as string,
    data: `${FASHION}/test-images-idx3-ubyte.gz`,
    labels: `${FASHION}/test-labels-idx1-ubyte.gz`,
    options: { ...common, transform: { preset: 'none', size: 20, mean: [0.286], std: [0.353] } },
    passes: 5,
  },
];
const images = join(folder, 'photos');
await writePhotos(images, photos, 4);
for (const { width, passes } of WIDTHS) {
  const model = join(folder, `resnet18-${width}.onnx`);
  writeSyntheticModel(model, resnet18(width), 1);
  cases.push({
    name: `JPEG to 224, ResNet-18 x ${width}`,
    model,
    data: images,
    options: { ...common, transform: {} },
    passes,
    readsModel: width === 1,
  });
}
console.log(
  `Node ${process.versions.node}, ${availableParallelism()} cores, threads ${threads}, workers ${workers}, ` +
    `${repetitions} interleaved repetitions; ${photos} JPEGs of about 500 x 375`,
);
console.log(HEADER);
for (const one of cases) await measure(one);
