import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { estimator } from '../../../src/batchnorm/estimators.ts';
import {
  type BatchMoments,
  type MomentsFile,
  type MomentsRun,
  mergeMomentsFiles,
  readMomentsFile,
  writeMomentsFile,
} from '../../../src/batchnorm/index.ts';
import {
  memorySource,
  openAtomic,
  openSafetensors,
  type SafetensorsTensor,
  writeSafetensors,
} from '../../../src/core/index.ts';
import { partsOf } from '../../../src/data/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { jobBatches, RUN } from '../../support/moments.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const ALL = jobBatches();

function write(name: string, batches: readonly BatchMoments[], run: MomentsRun = RUN): MomentsFile {
  const path = join(folder, name);
  writeMomentsFile(path, run, batches, { force: true });
  return readMomentsFile(memorySource(readFileSync(path), name));
}

const workers = (count: number): MomentsFile[] =>
  Array.from({ length: count }, (_, index) =>
    write(
      `worker-${index}-of-${count}`,
      partsOf(RUN.batches, 1, { index, count }).map((part) => ALL[part.index] as BatchMoments),
    ),
  );

test('a file gives back its run and every batch, bit for bit and in the type of the runtime', () => {
  const file = write('one', ALL);
  assert.deepEqual(file.run, RUN);
  assert.deepEqual([...file.batches], [...ALL.keys()]);
  assert.deepEqual(
    ALL.map((_, i) => file.read(i)),
    ALL,
  );
});

test('the order in which a worker did its batches changes no byte', () => {
  write('sorted', ALL);
  write('shuffled', ALL.toReversed());
  assert.deepEqual(readFileSync(join(folder, 'shuffled')), readFileSync(join(folder, 'sorted')));
});

test('any number of workers, their files in any order, give the batches of one worker and the bits of its statistics', () => {
  const statistics = (batches: Iterable<BatchMoments>) => {
    const fold = estimator(
      'population',
      RUN.layers.map(({ channels }) => channels),
    );
    for (const batch of batches) fold.add(batch);
    return fold.result();
  };
  for (const count of [1, 2, 3, 7, 13]) {
    const files = workers(count);
    for (const given of [files, files.toReversed()]) {
      const merged = mergeMomentsFiles(given);
      assert.deepEqual([...merged.batches()], ALL, `${count} workers`);
      assert.deepEqual(statistics(merged.batches()), statistics(ALL));
      const { processor, ...run } = RUN;
      assert.deepEqual(merged.run, run);
      assert.deepEqual(merged.processors, [processor]);
    }
  }
  assert.notDeepEqual(statistics(ALL.toReversed()), statistics(ALL), 'the order of folding shows in the bits');
});

test('workers that differ are refused, by file and field; another processor type is told', () => {
  const first = write('first', ALL.slice(0, 6));
  const other: MomentsRun = {
    version: '1.2.4',
    model_sha256: '1'.repeat(64),
    data: 'others',
    transform: '{"other":1}',
    data_table_sha256: '1'.repeat(64),
    rows_sha256: '1'.repeat(64),
    transform_sha256: '1'.repeat(64),
    views: '{"count":2}',
    batch_size: 64,
    batches: 12,
    layers: [
      { name: 'conv1/bn "é"', channels: 5 },
      { name: 'renamed', channels: 3 },
    ],
    provider: 'cuda',
    onnxruntime: '1.31.0',
    processor: 'arm64',
  };
  for (const field of Object.keys(other) as (keyof MomentsRun)[]) {
    const second = write('second', ALL.slice(6), { ...RUN, [field]: other[field] });
    if (field === 'processor') {
      assert.deepEqual(mergeMomentsFiles([first, second]).processors, ['arm64', 'x86-64']);
      continue;
    }
    const { message, details } = assertFails(() => mergeMomentsFiles([first, second]), 'MISMATCH_VALUE');
    assert.match(message, new RegExp(`^second: ${field} is `));
    assert.equal(details.field, field);
  }
});

test('batches that no file has, or two files have, are named', () => {
  const without = (...missing: number[]) => ALL.filter(({ batch }) => !missing.includes(batch));
  const gap = assertFails(() => mergeMomentsFiles([write('gap', without(0, 1, 2, 7))]), 'INPUT_TOO_FEW');
  assert.match(gap.message, /4 of 11 batches are in no file: 0-2, 7$/);
  const most = write('most', ALL, { ...RUN, batches: 2 ** 50 });
  assert.match(
    assertFails(() => mergeMomentsFiles([most]), 'INPUT_TOO_FEW').message,
    /are in no file: 11-1125899906842623$/,
  );
  const even = write(
    'even',
    ALL.filter(({ batch }) => batch % 2 === 0),
    { ...RUN, batches: 100 },
  );
  assert.match(assertFails(() => mergeMomentsFiles([even]), 'INPUT_TOO_FEW').message, /: 1, 3, 5, 7, 9, 11-99$/);
  const [first, second] = [write('left', ALL.slice(0, 6)), write('right', ALL.slice(5))];
  const twice = assertFails(() => mergeMomentsFiles([first, second]), 'MISMATCH_VALUE');
  assert.match(twice.message, /^batch 5 is in left and in right$/);
  assertFails(() => mergeMomentsFiles([first, first]), 'MISMATCH_VALUE');
  assertFails(() => mergeMomentsFiles([]), 'INPUT_TOO_FEW');
});

test('a batch of which no image could be decoded is covered, and not folded', () => {
  const empty: BatchMoments = {
    batch: 4,
    images: 0,
    layers: RUN.layers.map(({ channels }, l) => {
      const zeros = l === 0 ? new Float32Array(channels) : new Float64Array(channels);
      return { count: 0, mean: zeros, variance: zeros };
    }),
  };
  const file = write(
    'empty-batch',
    ALL.map((batch) => (batch.batch === 4 ? empty : batch)),
  );
  assert.deepEqual(
    [...mergeMomentsFiles([file]).batches()],
    ALL.filter(({ batch }) => batch !== 4),
  );
});

test('an existing file is replaced only when asked', () => {
  write('exists', ALL);
  assertFails(() => writeMomentsFile(join(folder, 'exists'), RUN, ALL, { force: false }), 'OUTPUT_EXISTS');
});

test('other files, and moments files that contradict themselves, are refused', () => {
  write('whole', ALL.slice(0, 3));
  const whole = openSafetensors(memorySource(readFileSync(join(folder, 'whole'))));
  const tensors = [...whole.tensors.values()].map(
    ({ name, dtype, shape }): SafetensorsTensor => ({ name, dtype, shape, data: whole.read(name) }),
  );
  const replaced = (by: SafetensorsTensor): SafetensorsTensor[] => [
    ...tensors.filter(({ name }) => name !== by.name),
    by,
  ];
  const u32 = (name: string, ...values: number[]): SafetensorsTensor => ({
    name,
    dtype: 'U32',
    shape: [values.length],
    data: Uint32Array.from(values),
  });
  const run = (change: object): Map<string, string> =>
    new Map([...whole.metadata, ['run', JSON.stringify({ ...RUN, ...change })]]);
  const cases: Record<string, [SafetensorsTensor[], ReadonlyMap<string, string>]> = {
    'no metadata': [tensors, new Map()],
    'another format': [tensors, new Map([...whole.metadata, ['format', 'onnx-temper moments 2']])],
    'a run that is no JSON': [tensors, new Map([...whole.metadata, ['run', '{']])],
    'a run that is a list': [tensors, new Map([...whole.metadata, ['run', '[]']])],
    'a hash that is none': [tensors, run({ model_sha256: 'abc' })],
    'no batches': [tensors, run({ batches: 0 })],
    'layers that are none': [tensors, run({ layers: [null] })],
    'a layer too few': [tensors, run({ layers: RUN.layers.slice(1) })],
    'other channels': [tensors, run({ layers: [...RUN.layers.slice(1), ...RUN.layers.slice(1)] })],
    'batches that fall': [replaced(u32('batch', 0, 2, 1)), whole.metadata],
    'a batch twice': [replaced(u32('batch', 0, 1, 1)), whole.metadata],
    'a batch past the last': [replaced(u32('batch', 0, 1, 11)), whole.metadata],
    'another number of batches': [replaced(u32('batch', 0, 1)), whole.metadata],
    'signed batch numbers': [
      replaced({ name: 'batch', dtype: 'I32', shape: [3], data: Int32Array.of(0, 1, 2) }),
      whole.metadata,
    ],
    'a tensor missing': [tensors.filter(({ name }) => name !== 'variance.1'), whole.metadata],
    'a tensor too many': [[...tensors, u32('x', 1)], whole.metadata],
    'a variance below 0': [
      replaced({ name: 'variance.0', dtype: 'F32', shape: [3, 5], data: new Float32Array(15).fill(-1) }),
      whole.metadata,
    ],
    'a mean that is no number': [
      replaced({ name: 'mean.0', dtype: 'F32', shape: [3, 5], data: new Float32Array(15).fill(Number.NaN) }),
      whole.metadata,
    ],
    'half-precision moments': [
      replaced({ name: 'mean.0', dtype: 'F16', shape: [3, 5], data: new Uint16Array(15) }),
      whole.metadata,
    ],
    'counts over 2^53': [
      replaced({ name: 'count', dtype: 'U64', shape: [3, 2], data: new BigUint64Array(6).fill(2n ** 60n) }),
      whole.metadata,
    ],
  };
  for (const [what, [given, metadata]] of Object.entries(cases)) {
    const path = join(folder, what);
    const out = openAtomic(path);
    writeSafetensors(out, given, metadata);
    out.publish({ force: true });
    const { message } = assertFails(() => {
      const file = readMomentsFile(memorySource(readFileSync(path), basename(path)));
      file.read(0);
    }, 'FORMAT_MALFORMED');
    assert.ok(message.startsWith(`${what}: `), message);
  }
});
