// Times a search over some 60 averages of the fixtures against the evaluations alone: `npm run bench:search`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { evaluateModels, type LabelledBatch } from '../../src/evaluate/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { CHECKPOINTS, FASHION, SNAPSHOTS, testBatches } from '../support/fashion.ts';
import { AVG_CKPT } from '../support/run-cli.ts';

const TARGET = 1.2;
/** Images of each half of the validation set, and how many models are run on the other half. */
const HALF = 5000;
const REPORTED = 3;
const BATCH = 64;

const { values: options } = parseArgs({ options: { repetitions: { type: 'string', default: '3' } } });
const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-search-'));

/** A whole process, its start included. */
function search(): { seconds: number; evaluations: number; reads: number } {
  const start = performance.now();
  const run = spawnSync(
    process.execPath,
    [
      ...[AVG_CKPT, 'search', CHECKPOINTS],
      ...['--val', join(FASHION, 'test-20px-images-idx3-ubyte.gz')],
      ...['--val-labels', join(FASHION, 'test-labels-idx1-ubyte.gz')],
      ...['--preset', 'none', '--size', '20', '--mean', '0.286', '--std', '0.353', '--batch', String(BATCH)],
      ...['--include', 'last,window,ema,power,greedy', '--device', 'cpu', '--json', '--quiet'],
      ...['--out', join(folder, 'best.onnx'), '--cache', join(folder, 'cache.jsonl'), '--force'],
    ],
    { encoding: 'utf8' },
  );
  const seconds = (performance.now() - start) / 1000;
  if (run.status !== 0) throw new Error(run.stderr);
  const found = JSON.parse(run.stdout) as { evaluations: number; snapshot_reads: number };
  rmSync(join(folder, 'cache.jsonl'));
  return { seconds, evaluations: found.evaluations, reads: found.snapshot_reads };
}

/** As many models, from files that are there, on images that are decoded. */
async function evaluations(count: number): Promise<number> {
  const batches: LabelledBatch[] = [];
  for await (const batch of testBatches(BATCH)) if (batches.length * BATCH < HALF) batches.push(batch);
  async function* pass(): AsyncGenerator<LabelledBatch> {
    for (const batch of batches) {
      yield { ...batch, images: batch.images.map((image) => ({ ...image, data: image.data.slice() })) };
    }
  }
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const session = await openSession({ model: SNAPSHOTS[i % SNAPSHOTS.length] as string, device: 'cpu' });
    await evaluateModels([session], pass());
    await session.close();
  }
  return (performance.now() - start) / 1000;
}

const ratios: number[] = [];
for (let round = 0; round < Number(options.repetitions); round++) {
  const found = search();
  const alone = await evaluations(found.evaluations + REPORTED);
  const ratio = found.seconds / alone;
  ratios.push(ratio);
  console.log(
    `search ${found.seconds.toFixed(1)} s for ${found.evaluations} candidates (${found.reads} reads of 12 snapshots), ` +
      `evaluations alone ${alone.toFixed(1)} s: ${ratio.toFixed(2)}`,
  );
}
const middle = ratios.toSorted((a, b) => a - b)[ratios.length >> 1] as number;
console.log(`median ${middle.toFixed(2)} (target ${TARGET}): ${middle <= TARGET ? 'met' : 'missed'}`);
rmSync(folder, { recursive: true, force: true });
