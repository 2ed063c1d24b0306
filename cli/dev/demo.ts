import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AveragingOptions, averageCheckpoints } from '../../src/average/index.ts';
import { version, writeFileAtomic } from '../../src/core/index.ts';
import { readIdxImages, readIdxLabels } from '../../src/data/index.ts';
import { computeMetrics, evaluateModels, type LabelledBatch, wilson } from '../../src/evaluate/index.ts';
import { modelFileSha256 } from '../../src/onnx/index.ts';
import { chartSvg, csvText } from '../../src/report/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { progress } from '../shared/progress.ts';
import { textTable } from '../shared/text-table.ts';
import { finishDemo } from './demo-finish.ts';
import { sweepDemo } from './demo-sweep.ts';

/**
 * The main job on real files: 12 snapshots of a small ResNet become averages that are measured beside them, the best
 * size to test their mean at is looked for, and `finish` does the whole job in one command.
 */

const root = fileURLToPath(new URL('../../../', import.meta.url));
const fashion = join(root, 'fixtures', 'fashion');
const reports = join(root, 'reports');
/** Kept, so that the commands of the reports can be run again. */
const averagesFolder = join(root, 'dist', 'demo');
/** The statistics that the network was trained with (fixtures/fashion/make/fashion.py). */
const MEAN = Math.fround(0.286);
const STD = Math.fround(0.353);
const BATCH = 500;

/** What `avg-ckpt` is asked for; all rows of one request are one pass over the snapshots. */
const REQUESTS: readonly { command: string; options: AveragingOptions }[] = [
  { command: 'avg-ckpt checkpoints --out uniform.onnx', options: {} },
  { command: 'avg-ckpt checkpoints --decay 0.5,0.8,0.9 --out-dir averages', options: { decay: [0.5, 0.8, 0.9] } },
  { command: 'avg-ckpt checkpoints --sigma-rel 0.1 --out power.onnx', options: { sigmaRel: [0.1] } },
];

async function makeAverages(snapshots: readonly string[], folder: string): Promise<string[]> {
  const made: string[] = [];
  for (const { command, options } of REQUESTS) {
    process.stderr.write(`$ ${command}\n`);
    const { outputs } = await averageCheckpoints({ inputs: snapshots, ...options, outDir: folder, force: true });
    made.push(...outputs.map(({ path }) => path));
  }
  return made;
}

/** The test images at the network's 20 px, normalised in float32 as torch does. */
async function* batches(): AsyncGenerator<LabelledBatch> {
  const { count, height, width, data } = await readIdxImages(join(fashion, 'test-20px-images-idx3-ubyte.gz'));
  const labels = await readIdxLabels(join(fashion, 'test-labels-idx1-ubyte.gz'));
  const table = Float32Array.from({ length: 256 }, (_, v) =>
    Math.fround(Math.fround(Math.fround(v / 255) - MEAN) / STD),
  );
  const pixels = height * width;
  for (let start = 0; start < count; start += BATCH) {
    const rows = Math.min(BATCH, count - start);
    const values = Float32Array.from(data.subarray(start * pixels, (start + rows) * pixels), (v) => table[v] as number);
    yield {
      images: [{ type: 'float32', dims: [rows, 1, height, width], data: values }],
      keys: Array.from({ length: rows }, (_, i) => String(start + i).padStart(5, '0')),
      labels: labels.subarray(start, start + rows),
    };
  }
}

async function main(): Promise<void> {
  const checkpoints = join(fashion, 'checkpoints');
  const snapshots = readdirSync(checkpoints)
    .sort()
    .map((name) => join(checkpoints, name));
  rmSync(averagesFolder, { recursive: true, force: true });
  mkdirSync(averagesFolder, { recursive: true });
  const averages = await makeAverages(snapshots, averagesFolder);
  const models = [...snapshots, ...averages];
  const sessions = await Promise.all(models.map((model) => openSession({ model, device: 'auto', threads: 1 })));
  const bar = progress(`testing ${models.length} models on 10,000 images`, 10_000, false);
  const evaluations = await evaluateModels(sessions, batches(), { onProgress: (images) => bar.update(images) });
  bar.end();
  const hashes = await Promise.all(models.map(modelFileSha256));
  const rows = models.map((model, i) => {
    const metrics = computeMetrics((evaluations[i] as (typeof evaluations)[number]).predictions);
    const interval = wilson(Math.round(metrics.top1 * metrics.n), metrics.n);
    return {
      model: basename(model, '.onnx'),
      kind: averages.includes(model) ? 'average of the 12' : 'single snapshot',
      model_sha256: hashes[i],
      n_images: metrics.n,
      test_size: 20,
      top1: metrics.top1,
      top1_lo: interval.lo,
      top1_hi: interval.hi,
      top5: metrics.top5,
      nll: Number(metrics.nll.toFixed(6)),
      version,
    };
  });
  await Promise.all(sessions.map((session) => session.close()));

  mkdirSync(reports, { recursive: true });
  writeFileAtomic(join(reports, 'average.csv'), csvText(Object.keys(rows[0] as object), rows), { force: true });
  const best = rows.filter(({ kind }) => kind !== 'average of the 12').reduce((a, b) => (b.top1 > a.top1 ? b : a));
  const uniform = rows.find(({ model }) => model === 'uniform') as typeof best;
  const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
  writeFileAtomic(
    join(reports, 'average.svg'),
    chartSvg({
      kind: 'dots',
      title: 'Top-1 of 12 snapshots and of their averages, on 10,000 test images',
      description: `The best snapshot has ${percent(best.top1)}, their uniform average ${percent(uniform.top1)}.`,
      axis: { label: 'top-1 accuracy, with 95 % Wilson interval', percent: true },
      background: 'single snapshot',
      dots: rows.map(({ model, top1, top1_lo, top1_hi, kind }) => ({
        label: model,
        value: top1,
        low: top1_lo,
        high: top1_hi,
        group: kind,
      })),
    }),
    { force: true },
  );
  const table = textTable(
    ['model', 'top-1', '95 % interval', 'NLL'],
    rows.map(({ model, top1, top1_lo, top1_hi, nll }) => [
      model,
      percent(top1),
      `${percent(top1_lo)} to ${percent(top1_hi)}`,
      nll.toFixed(4),
    ]),
  );
  process.stdout.write(
    `\n${table}\nbest snapshot ${best.model}: ${percent(best.top1)}; uniform average: ${percent(uniform.top1)}\n`,
  );
  process.stdout.write('wrote reports/average.csv and reports/average.svg\n');
  sweepDemo(root, averages[0] as string);
  finishDemo(root);
}

await main();
