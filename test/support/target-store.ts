import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Sample } from '../../src/data/index.ts';
import {
  allocatePart,
  checkParts,
  keyHash,
  NO_JITTER,
  partRange,
  publishManifest,
  runHash,
  STATUS_BAD,
  type StoreRun,
  samplesHash,
  samplesText,
  startStore,
  type Teacher,
  targetEncoder,
  writePart,
} from '../../src/distill/index.ts';
import { seeded } from './random.ts';

const SHA = 'a'.repeat(64);
/** The sample of this ordinal cannot be decoded. */
export const BAD_SAMPLE = 4;

const TEACHER: Teacher = {
  index: 0,
  name: 'teacher.onnx',
  sha256: SHA,
  external_data: [],
  n_classes: 7,
  channels: 3,
  input: 'x',
  output: 'logits',
  outputs: 'logits',
  provider: 'cpu',
  onnxruntime: '1.30.0',
  transform: null,
  transform_sha256: null,
  class_map: null,
  class_map_sha256: null,
};

/** A table of made-up samples; keys need quoting in CSV, and more than ASCII. */
export function sampleTable(count: number): { rows: Uint32Array; sample(row: number): Sample } {
  return {
    rows: Uint32Array.from({ length: count }, (_, i) => i),
    sample: (row) => ({ key: `klasse ä/"${row}",x.png`, label: row % 7 }),
  };
}

/** A run over made-up samples: 11 of them in 2 views, in parts of 6 rows. */
export function storeRun(change: Partial<StoreRun> = {}): StoreRun {
  const { n_samples = 11, views = 2, rows_per_part = 6 } = change;
  const table = sampleTable(n_samples);
  const n_rows = n_samples * views;
  return {
    format: 'onnx-temper-targets',
    version: 1,
    tool: { name: 'onnx-temper', version: '0.0.0' },
    n_samples,
    views,
    n_rows,
    rows_per_part,
    n_parts: Math.ceil(n_rows / rows_per_part),
    batch: 2,
    kind: 'dense',
    top_k: null,
    store_dtype: 'float16',
    temperatures: [1, 4],
    seed: 3,
    augment: { randomResizedCrop: {}, flip: 0.5 },
    views_from: null,
    samples: { sha256: samplesHash(table, table.rows), format: 'flat' },
    data_sha256: SHA,
    classes: null,
    teachers: [TEACHER, { ...TEACHER, index: 1, name: 'second.onnx', n_classes: 9 }],
    ...change,
  };
}

/** The logits of a row, a pure function of it. */
export function logitsOf(teacher: Teacher, row: number): Float64Array {
  const draw = seeded(1000 * teacher.index + row);
  return Float64Array.from({ length: teacher.n_classes }, () => Math.fround(8 * draw() - 3));
}

/** Writes a part of made-up targets. */
export function writeMadeUpPart(folder: string, run: StoreRun, hash: string, index: number): void {
  const arrays = allocatePart(run, index);
  const { first, end } = partRange(run, index);
  const table = sampleTable(run.n_samples);
  const [views, ...targets] = arrays as [Record<string, Uint8Array>, ...Record<string, Float32Array<ArrayBuffer>>[]];
  const encoders = targets.map((columns) => targetEncoder(run, columns));
  const bad: { key: string; code: string }[] = [];
  for (let row = first; row < end; row++) {
    const at = row - first;
    const ordinal = Math.floor(row / run.views);
    const { key } = table.sample(ordinal);
    (views.key_hash as unknown as BigUint64Array)[at] = keyHash(key);
    if (ordinal === BAD_SAMPLE) {
      (views.status as Uint8Array)[at] = STATUS_BAD;
      if (row % run.views === 0) bad.push({ key, code: 'FORMAT_IMAGE' });
      continue;
    }
    (views.source_size as Uint8Array).set([300, 400 + ordinal], 2 * at);
    if (run.augment) {
      (views.view_seed as unknown as BigUint64Array)[at] = BigInt(row) << 40n;
      (views.crop as Uint8Array).set([row, 2, 100, 90], 4 * at);
      (views.flip as Uint8Array)[at] = row % 2;
      (views.jitter as Uint8Array).set([1, 1, 1], 3 * at);
      (views.jitter as Uint8Array)[3 * at + 2] = 1.25;
      (views.jitter_order as Uint8Array).set([2, NO_JITTER, NO_JITTER], 3 * at);
    }
    for (const [t, teacher] of run.teachers.entries()) {
      encoders[t]?.(at, logitsOf(teacher, row), `row ${row}`);
      targets[t]?.input_mean?.fill(row, teacher.channels * at, teacher.channels * (at + 1));
      targets[t]?.input_std?.fill(1 / 3, teacher.channels * at, teacher.channels * (at + 1));
    }
  }
  const n = end - first - bad.length * run.views;
  const scores = run.teachers.map(() => ({ n, top1: n - 1, top5: n, nll: n / 3 }));
  writePart(folder, run, hash, index, arrays, { scores, bad_images: bad });
}

/** Starts a store: run.json and samples.csv. */
export function startMadeUpStore(folder: string, run: StoreRun): Promise<string> {
  const table = sampleTable(run.n_samples);
  return startStore(folder, run, samplesText(table, table.rows));
}

/** Makes a whole store, its parts in the order given; returns its folder. */
export async function makeStore(
  parent: string,
  name: string,
  run: StoreRun = storeRun(),
  parts: readonly number[] = Array.from({ length: run.n_parts }, (_, part) => part),
): Promise<string> {
  const folder = join(parent, name);
  mkdirSync(folder);
  const hash = await startMadeUpStore(folder, run);
  if (hash !== runHash(run)) throw new Error('run.json is not the text of the run');
  for (const part of parts) writeMadeUpPart(folder, run, hash, part);
  publishManifest(folder, await checkParts(folder));
  return folder;
}
