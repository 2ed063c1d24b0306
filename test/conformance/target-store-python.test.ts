// Targets that Node wrote, read by python/onnx_temper_targets.py, which knows nothing but the format.
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Sample } from '../../src/data/index.ts';
import { npyHeader, openStore, type StoreRun } from '../../src/distill/index.ts';
import { lacksPython, runPeer } from '../support/python.ts';
import { seeded } from '../support/random.ts';
import { goodRows, scoreMadeUp, studentLogits } from '../support/score-made-up.ts';
import { BAD_SAMPLE, makeStore, storeRun } from '../support/target-store.ts';
import { tempFolder } from '../support/temp-folder.ts';

const skip = lacksPython('numpy');
const folder = tempFolder();

type Numbers = readonly (number | readonly number[])[];
interface Dump {
  readonly good: readonly number[];
  readonly keys: readonly string[];
  readonly labels: readonly number[];
  readonly rows: readonly (readonly Readonly<Record<string, Numbers | number>>[])[];
  readonly batches: readonly Readonly<Record<string, Numbers>>[];
  readonly records: readonly unknown[];
  readonly stats: readonly unknown[];
  readonly text: string;
}

const FORMS: Readonly<Record<string, Partial<StoreRun>>> = {
  'dense float16': {},
  'dense float32, not augmented': { store_dtype: 'float32', augment: null, temperatures: [1, 2, 4, 5] },
  'top-3 float16': { kind: 'top_k', top_k: 3 },
  'top-1 float32, one view': { kind: 'top_k', top_k: 1, store_dtype: 'float32', views: 1, rows_per_part: 4 },
};

/** Class numbers that 16 bits do not hold. */
const MANY = 70_000;

/** The same rows by the TypeScript reader, as the peer prints them. */
async function expected(path: string): Promise<Omit<Dump, 'batches' | 'text'>> {
  const store = openStore(path);
  const { n_parts, views, teachers, temperatures } = store.manifest;
  const samples: Sample[] = [];
  for await (const sample of store.samples()) samples.push(sample);
  const found = { good: [] as number[], rows: [] as Record<string, number[] | number>[][], records: [] as unknown[] };
  const stats = teachers.map(() => [] as number[][]);
  for (let p = 0; p < n_parts; p++) {
    const part = store.part(p);
    const { status, records, seed } = part.views();
    const targets = teachers.map((_, t) => part.targets(t));
    for (const [i, bad] of status.entries()) {
      if (bad) continue;
      const row = part.first + i;
      if (row % views === 0) found.good.push(row / views);
      const record = records?.[i];
      const crop = record?.crop;
      found.records.push({
        crop: crop ? [crop.top, crop.left, crop.height, crop.width] : null,
        flip: record?.flip ?? false,
        jitter: record?.jitter.map(({ op, factor }) => [op, factor]) ?? [],
        seed: seed ? Number(seed[i]) : null,
      });
      found.rows.push(
        targets.map(({ width, values, indices, max, lse, inputMean }, t) => {
          const slice = (all: ArrayLike<number>, n: number) => Array.from(all).slice(i * n, (i + 1) * n);
          if (row % views === 0) stats[t]?.push(slice(inputMean, teachers[t]?.channels ?? 0));
          return {
            ...(indices
              ? { indices: slice(indices, width), values: slice(values, width) }
              : { logits: slice(values, width) }),
            max: max[i] as number,
            lse: slice(lse, temperatures.length),
          };
        }),
      );
    }
    part.close();
  }
  return { ...found, stats, keys: samples.map(({ key }) => key), labels: samples.map(({ label }) => label ?? -1) };
}

for (const [name, change] of Object.entries(FORMS)) {
  test(`every row by key and by batch, every record and statistic: ${name}`, { skip }, async () => {
    const path = await makeStore(folder, name, storeRun(change));
    const { batches, text, ...found } = runPeer<Dump>('read_targets.py', 'dump', path);
    const wanted = await expected(path);
    assert.deepEqual(found, wanted);
    assert.match(text, /11 samples x [12] views/);
    for (const [t, batch] of batches.entries()) {
      for (const field of Object.keys(batch)) {
        const rows = wanted.rows.map((teachers) => teachers[t]?.[field]);
        assert.deepEqual(batch[field], rows.reverse(), `${field} of teacher ${t}`);
      }
    }
    assert.deepEqual(runPeer('read_targets.py', 'verify', path), []);
  });
}

test('class numbers beyond 65,535 are read as they are', { skip }, async () => {
  const base = storeRun({ kind: 'top_k', top_k: 2, n_samples: 3, views: 1, rows_per_part: 3 });
  const teachers = base.teachers.map((teacher) => ({ ...teacher, n_classes: MANY }));
  const path = await makeStore(folder, 'many', { ...base, teachers });
  const { rows } = runPeer<Dump>('read_targets.py', 'dump', path);
  assert.deepEqual(rows, (await expected(path)).rows);
  assert.ok(rows.flat().some(({ indices }) => (indices as number[]).some((index) => index > 65_535)));
});

test('wrong addresses are errors of their kind, and two keys of one hash are told apart by name', {
  skip,
}, async () => {
  const path = await makeStore(folder, 'failures', storeRun({ kind: 'top_k', top_k: 3 }));
  assert.deepEqual(runPeer('read_targets.py', 'failures', path), {
    'unknown key': 'KeyError',
    view: 'IndexError',
    'negative view': 'IndexError',
    ordinal: 'IndexError',
    'negative ordinal': 'IndexError',
    teacher: 'IndexError',
    'negative teacher': 'IndexError',
    floats: 'StoreError',
    nothing: 'StoreError',
    'bad image': 'StoreError',
    'bad image in a batch': 'StoreError',
    column: 'StoreError',
    tail: 'StoreError',
    temperature: 'StoreError',
    transform: 'StoreError',
    twins: [0, 1],
    'third twin': 'KeyError',
  });
  assert.equal(BAD_SAMPLE, 4);
});

/** Files of a store, relative to it. */
const filesOf = (path: string): string[] =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(path, name)).isFile());

test('a flipped bit in any file is found by verify', { skip }, async () => {
  const sound = await makeStore(folder, 'sound');
  const next = seeded(5);
  for (const file of filesOf(sound).filter((name) => name !== 'manifest.json')) {
    const path = join(folder, 'flipped');
    cpSync(sound, path, { recursive: true, force: true });
    const bytes = readFileSync(join(path, file));
    const at = Math.floor(next() * bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(8 * next()));
    writeFileSync(join(path, file), bytes);
    const found = runPeer<string[]>('read_targets.py', 'verify', path);
    assert.equal(found.length, 1, `${file}, byte ${at}: ${found.join('; ')}`);
    assert.ok(found[0]?.startsWith(file.replaceAll('\\', '/')), found[0]);
  }
});

const PART = 'teachers/0/part-00000-of-00004.safetensors';
const VIEWS = 'views/part-00000-of-00004.safetensors';

/** Rewrites a header; it keeps its length, so that offsets stay. */
function editHeader(bytes: Buffer, edit: (json: string) => string): Buffer {
  const length = Number(bytes.readBigUInt64LE(0));
  const json = edit(bytes.toString('utf8', 8, 8 + length).trimEnd());
  bytes.write(json.padEnd(length), 8);
  return bytes;
}

const DAMAGE: readonly [what: string, file: string, edit: (bytes: Buffer) => Buffer | string, message: RegExp][] = [
  ['another version', 'manifest.json', (b) => String(b).replace('"version": 1', '"version": 2'), /version 2/],
  ['another format', 'manifest.json', (b) => String(b).replace('-targets"', '-other"'), /onnx-temper-other/],
  ['no JSON', 'manifest.json', () => '{"format"', /malformed/],
  ['a list', 'manifest.json', () => '[]', /no JSON object/],
  ['a name twice', 'manifest.json', (b) => String(b).replace('"seed"', '"views"'), /twice/],
  ['a count that is none', 'manifest.json', (b) => String(b).replace('"views": 2', '"views": "2"'), /views is 2/],
  ['counts that disagree', 'manifest.json', (b) => String(b).replace('"n_rows": 22', '"n_rows": 23'), /do not agree/],
  [
    'no temperature',
    'manifest.json',
    (b) => String(b).replace(/"temperatures": \[[^\]]*\]/, '"temperatures": []'),
    /temperatures/,
  ],
  ['a missing column', PART, (b) => editHeader(b, (json) => json.replace('"lse"', '"lsx"')), /no column lse/],
  ['an unknown column', VIEWS, (b) => editHeader(b, (json) => json.replace('"flip"', '"flop"')), /no column flip/],
  ['a column of another type', PART, (b) => editHeader(b, (json) => json.replace('"F16"', '"U16"')), /logits is U16/],
  ['other dims', PART, (b) => editHeader(b, (json) => json.replace('[6,7]', '[7,6]')), /\[7, 6\], expected \[6, 7\]/],
  [
    'an overlap',
    PART,
    (b) => editHeader(b, (json) => json.replace('"data_offsets":[72,', '"data_offsets":[71,')),
    /hole/,
  ],
  [
    'a part of another format',
    PART,
    (b) => editHeader(b, (json) => json.replace('"version":"1"', '"version":"7"')),
    /version/,
  ],
  ['a cut file', PART, (b) => b.subarray(0, b.length - 1), /its columns end at/],
  ['a file of seven bytes', PART, (b) => b.subarray(0, 7), /ends after 7/],
  ['an empty file', PART, (b) => b.subarray(0, 0), /empty/],
  ['a header beyond the file', PART, (b) => Buffer.concat([Buffer.alloc(8, 0x40), b.subarray(8)]), /header of/],
  ['deep nesting', PART, (b) => editHeader(b, (json) => '['.repeat(json.length)), /malformed/],
];

test('malformed stores are refused with a clear exception, never misread', { skip }, async () => {
  const sound = await makeStore(folder, 'to-damage');
  for (const [what, file, edit, message] of DAMAGE) {
    const path = join(folder, 'damaged');
    cpSync(sound, path, { recursive: true, force: true });
    writeFileSync(join(path, file), edit(readFileSync(join(path, file))));
    assert.match(runPeer<string | null>('read_targets.py', 'open', path) ?? `read in spite of ${what}`, message, what);
  }
});

interface PythonKl {
  readonly single: readonly {
    readonly teacher: number;
    readonly temperature: number;
    readonly tail: 'uniform' | 'ghost' | 'zero';
    readonly kl: number;
    readonly cross_entropy: number;
    readonly entropy: number;
    readonly warnings: readonly string[];
    readonly sums: readonly number[];
  }[];
  readonly ensembles: readonly {
    readonly how: string;
    readonly temperature?: number;
    readonly kl?: number;
    readonly error?: string;
  }[];
}

for (const form of ['dense float16', 'top-3 float16'] as const) {
  test(`KL, tail policies and ensembles are those of teacher-logits score: ${form}`, { skip }, async () => {
    const run = storeRun(FORMS[form]);
    const teachers = run.teachers.map((teacher) => ({ ...teacher, n_classes: 7 }));
    const path = await makeStore(folder, `kl ${form}`, { ...run, teachers });
    const rows = goodRows(run.n_samples, run.views);
    const student = Float64Array.from(rows.flatMap((row) => [...studentLogits(row, 7)]));
    const file = join(folder, `${form}.npy`);
    writeFileSync(file, Buffer.concat([npyHeader('<f8', [rows.length, 7]), Buffer.from(student.buffer)]));
    const { single, ensembles } = runPeer<PythonKl>('read_targets.py', 'kl', path, file);
    const near = (found: number | undefined, expected: number | undefined, what: string): void =>
      assert.ok(
        Math.abs((found ?? 0) - (expected ?? 0)) <= 1e-12 * (expected ?? Number.NaN),
        `${what}: ${found}, ${expected}`,
      );

    const { scores } = await scoreMadeUp(path);
    assert.equal(single.length, 2 * 2 * 3);
    for (const { teacher, temperature, tail, kl, cross_entropy, entropy, warnings, sums } of single) {
      const ours = scores[teacher]?.temperatures.find((one) => one.temperature === temperature);
      const what = `teacher ${teacher}, T ${temperature}, ${tail}`;
      assert.deepEqual(sums, [1], what);
      assert.deepEqual(warnings, run.top_k && tail === 'zero' ? ['TailWarning'] : [], what);
      if (run.top_k && tail === 'zero') {
        assert.ok(kl > (ours?.kl_lower ?? Number.NaN), `${what}: renormalised targets overstate`);
        continue;
      }
      near(kl, run.top_k && tail === 'ghost' ? ours?.kl_lower : ours?.kl, what);
      if (tail !== 'uniform') continue;
      near(cross_entropy, ours?.cross_entropy, what);
      near(entropy, ours?.entropy, what);
    }
    const together = await scoreMadeUp(path, { ensemble: { how: 'mean-probability', weights: [0.75, 0.25] } });
    const logits = run.top_k
      ? undefined
      : await scoreMadeUp(path, { ensemble: { how: 'mean-logit', weights: [0.75, 0.25] } });
    for (const { how, temperature, kl, error } of ensembles) {
      if (how === 'mean_logit' && run.top_k) {
        assert.match(error ?? '', /needs the logits of all classes/);
        continue;
      }
      const ours = (how === 'mean_logit' ? logits : together)?.scores[2];
      near(kl, ours?.temperatures.find((one) => one.temperature === temperature)?.kl, `${how}, T ${temperature}`);
    }
  });
}
