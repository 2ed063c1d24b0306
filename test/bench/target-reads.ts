// Random reads of stored targets in Python, from a warm cache: store[key, view] beside a bare memory-mapped array.
// Top-10 and dense float16 stores of 100,000 rows, ONNX_TEMPER_ROWS=1000000 for a million. Prints a line per store.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  allocatePart,
  checkParts,
  keyHash,
  partRange,
  publishManifest,
  type StoreRun,
  samplesHash,
  samplesText,
  startStore,
  targetEncoder,
  writePart,
} from '../../src/distill/index.ts';
import { findPython } from '../support/python.ts';
import { seeded } from '../support/random.ts';
import { storeRun } from '../support/target-store.ts';

const ROWS = Number(process.env.ONNX_TEMPER_ROWS ?? 100_000);
const VIEWS = 2;
const CLASSES = 100;
const FORMS: Readonly<Record<string, Partial<StoreRun>>> = {
  'top-10': { kind: 'top_k', top_k: 10 },
  [`dense ${CLASSES}`]: { kind: 'dense', top_k: null },
};

const sample = (row: number) => ({
  key: `n${String(row % 1000).padStart(8, '0')}/image_${row}.JPEG`,
  label: row % CLASSES,
});

async function writeStore(folder: string, change: Partial<StoreRun>): Promise<void> {
  const n_samples = ROWS / VIEWS;
  const rows = Uint32Array.from({ length: n_samples }, (_, i) => i);
  const base = storeRun();
  const teacher = { ...(base.teachers[0] as StoreRun['teachers'][number]), n_classes: CLASSES };
  const run: StoreRun = {
    ...storeRun({ ...change, n_samples: 1, views: VIEWS, rows_per_part: 16_384, temperatures: [1, 2, 4, 5] }),
    n_samples,
    n_rows: ROWS,
    n_parts: Math.ceil(ROWS / 16_384),
    teachers: [teacher],
    samples: { sha256: samplesHash({ sample }, rows), format: 'flat' },
  };
  const hash = await startStore(folder, run, samplesText({ sample }, rows));
  const next = seeded(9);
  for (let part = 0; part < run.n_parts; part++) {
    const arrays = allocatePart(run, part);
    const [views, targets] = arrays as [Record<string, BigUint64Array>, (typeof arrays)[number]];
    const encode = targetEncoder(run, targets);
    const { first, end } = partRange(run, part);
    for (let row = first; row < end; row++) {
      (views.key_hash as BigUint64Array)[row - first] = keyHash(sample(Math.floor(row / VIEWS)).key);
      encode(
        row - first,
        Float64Array.from({ length: CLASSES }, () => 12 * next()),
        `row ${row}`,
      );
    }
    writePart(folder, run, hash, part, arrays, { scores: null, bad_images: [] });
  }
  publishManifest(folder, await checkParts(folder));
}

interface Times {
  readonly median_us: number;
  readonly mean_us: number;
}
interface Report {
  readonly rows: number;
  readonly index_ms: number;
  readonly row: Times;
  readonly floor: Times;
  readonly batch_256: Times;
  readonly rss_mb: number;
}

const parent = mkdtempSync(join(tmpdir(), 'onnx-temper-reads-'));
try {
  for (const [name, change] of Object.entries(FORMS)) {
    const folder = join(parent, name.replaceAll(' ', '-'));
    mkdirSync(folder);
    await writeStore(folder, change);
    const { status, stdout, stderr } = spawnSync(
      findPython('numpy') ?? 'python3',
      ['test/bench/peers/target_reads.py', folder],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(stderr);
    const { rows, index_ms, row, floor, batch_256, rss_mb } = JSON.parse(stdout) as Report;
    console.log(
      `${name}: ${rows} rows; store[key, view] median ${row.median_us.toFixed(1)} us, mean ${row.mean_us.toFixed(1)} us, ` +
        `${(row.median_us / floor.median_us).toFixed(1)} x a bare memmap row (${floor.median_us.toFixed(1)} us); ` +
        `256 samples ${batch_256.median_us.toFixed(0)} us; key index ${index_ms.toFixed(0)} ms; peak ${rss_mb.toFixed(0)} MB`,
    );
    rmSync(folder, { recursive: true });
  }
} finally {
  rmSync(parent, { recursive: true, force: true });
}
