import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { median } from '../../../src/average/compare-snapshots.ts';
import { type Diagnosis, diagnose } from '../../../src/average/index.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import {
  decodeModel,
  floatsOf,
  rewriteWeights,
  type TestTensor,
  weightsModel,
  writeModel,
} from '../../support/model-builder.ts';
import { seeded } from '../../support/random.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
const LAST = SNAPSHOTS.at(-1)!;

const diagnosed = (files: readonly string[]): Promise<Diagnosis> =>
  diagnose({ inputs: files, order: 'list', allowDuplicates: true });

/** As torch initialises it: small random filters, scale 1, bias 0, mean 0, variance 1. */
function untrained(name: string, seed: number): string {
  const random = seeded(seed);
  return rewriteWeights(LAST, join(folder, name), (values, tensor, dims) => {
    if (dims.length === 1) values.fill(/running_var|weight/.test(tensor) ? 1 : 0);
    else
      for (const i of values.keys()) values[i] = ((random() * 2 - 1) * Math.sqrt(dims[0]!)) / Math.sqrt(values.length);
  });
}

/** The filters in another order, as training from another seed leaves them; BatchNormalization's vectors alike. */
function shuffled(name: string, seed: number): string {
  const random = seeded(seed);
  return rewriteWeights(LAST, join(folder, name), (values, _, dims) => {
    if (dims.length === 1) return;
    for (let i = values.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [values[i], values[j]] = [values[j]!, values[i]!];
    }
  });
}

function copy(from: string, name: string): string {
  copyFileSync(from, join(folder, name));
  return join(folder, name);
}

const warningsOf = ({ snapshots, warnings }: Diagnosis): string[] => [
  ...snapshots.flatMap((s) => s.warnings),
  ...warnings,
];

test('the snapshots of one run give no warning', async () => {
  const diagnosis = await diagnosed(SNAPSHOTS);
  assert.deepEqual(warningsOf(diagnosis), []);
  assert.ok(Math.min(...diagnosis.cosine.flat()) > 0.9);
});

test('distances and cosines equal a plain float64 computation', async () => {
  const files = SNAPSHOTS.slice(0, 4);
  const { snapshots, cosine } = await diagnosed(files);
  const initializers = decodeModel(LAST).graph?.initializer ?? [];
  const values = (file: string, rank: number): number[] =>
    initializers
      .filter(({ dims }) => (dims?.length ?? 0) >= rank)
      .flatMap(({ name }) => [...floatsOf(file, name ?? '')]);
  const all = files.map((file) => values(file, 0));
  const mean = all[0]!.map((_, k) => all.reduce((sum, x) => sum + x[k]!, 0) / files.length);
  const norm = (x: number[]): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-12, `${a} and ${b}`);
  for (const [i, x] of all.entries()) close(snapshots[i]!.distance, norm(x.map((v, k) => v - mean[k]!)) / norm(mean));
  const matrices = files.map((file) => values(file, 2));
  const dot = (a: number[], b: number[]): number => a.reduce((sum, v, k) => sum + v * b[k]!, 0);
  for (const [i, j] of [
    [0, 1],
    [1, 3],
    [3, 0],
  ] as const) {
    close(cosine[i]![j]!, dot(matrices[i]!, matrices[j]!) / norm(matrices[i]!) / norm(matrices[j]!));
  }
});

test('an untrained network among the snapshots does not belong, and nothing else is warned of', async () => {
  for (const others of [SNAPSHOTS, SNAPSHOTS.slice(-3), SNAPSHOTS.slice(0, 2)]) {
    const { snapshots, warnings } = await diagnosed([...others, untrained('untrained.onnx', 1)]);
    assert.deepEqual(
      snapshots.map((s) => s.warnings.length),
      [...others.map(() => 0), 1],
    );
    assert.match(snapshots.at(-1)!.warnings[0]!, /does not belong: \d+\.\d times as far/);
    assert.deepEqual(warnings, []);
  }
});

test('a network of another training among the snapshots does not belong', async () => {
  const { snapshots } = await diagnosed([...SNAPSHOTS.slice(0, 5), shuffled('other.onnx', 2)]);
  assert.deepEqual(
    snapshots.map((s) => s.warnings.length),
    [0, 0, 0, 0, 0, 1],
  );
});

test('two networks of independent training are told apart by their filters, though their BN vectors are alike', async () => {
  const { warnings, cosine } = await diagnosed([LAST, shuffled('pair.onnx', 3)]);
  assert.match(warnings.join(), /independently trained/);
  assert.ok(Math.abs(cosine[0]![1]!) < 0.1);
  assert.deepEqual(warningsOf(await diagnosed([SNAPSHOTS[0]!, LAST])), []);
});

test('NaN and Inf are counted by file and tensor, and do not spoil the other distances', async () => {
  const bad = rewriteWeights(SNAPSHOTS[3]!, join(folder, 'nan.onnx'), (values, name) => {
    if (name === 'fc.weight') values.set([Number.NaN, Number.POSITIVE_INFINITY], 7);
  });
  const diagnosis = await diagnosed([...SNAPSHOTS.slice(0, 3), bad]);
  assert.deepEqual(diagnosis.snapshots[3]!.non_finite, [{ tensor: 'fc.weight', count: 2, first_element: 7 }]);
  assert.match(warningsOf(diagnosis).join(), /2 NaN or Inf in "fc\.weight", the first at element 7/);
  for (const { distance, median_cosine: cosine } of diagnosis.snapshots) assert.ok(Number.isFinite(distance + cosine));
});

test('one snapshot, equal snapshots and tensors of zeros give numbers, not NaN', async () => {
  const of = (name: string, ...tensors: TestTensor[]): string => writeModel(join(folder, name), weightsModel(tensors));
  const path = of(
    'zero.onnx',
    { name: 'w', dims: [2, 2], values: [0, 0, 0, 0] },
    { name: 'v', dims: [2], values: [0, 0] },
  );
  for (const files of [[LAST], [LAST, LAST, LAST], [path], [path, path]]) {
    const { snapshots, tensors, cosine, warnings } = await diagnosed(files);
    for (const { distance, median_cosine: median } of snapshots)
      assert.ok(Number.isFinite(distance + median), files.join());
    for (const { spread, tensor } of tensors) assert.ok(Number.isFinite(spread), tensor);
    assert.ok(cosine.flat().every(Number.isFinite));
    assert.deepEqual(warnings, []);
  }
});

test('equal snapshots are named, and make no other an outlier', async () => {
  const files = Array.from({ length: 3 }, (_, i) => copy(SNAPSHOTS[2]!, `equal_${i}.onnx`));
  const { snapshots, warnings } = await diagnosed([...SNAPSHOTS.slice(0, 2), ...files]);
  assert.deepEqual(
    snapshots.flatMap((one) => one.warnings),
    [],
  );
  assert.deepEqual(
    warnings,
    files.slice(1).map((file) => `${file}: the same weights as ${files[0]}`),
  );
  const far = await diagnosed([...SNAPSHOTS.slice(0, 2), ...files, untrained('far.onnx', 4)]);
  assert.deepEqual(
    far.snapshots.map((one) => one.warnings.length),
    [0, 0, 0, 0, 0, 1],
  );
});

test('fp16, bf16 and double snapshots are measured like float32 ones', async () => {
  const values = [
    [1, 2, 3, 4],
    [1, 2, 3, 5],
    [1, 2, 4, 4],
  ];
  const measure = (type: 'float32' | 'float16' | 'bfloat16' | 'float64'): Promise<Diagnosis> =>
    diagnosed(
      values.map((v, i) =>
        writeModel(join(folder, `${type}${i}.onnx`), weightsModel([{ name: 'w', dims: [2, 2], values: v, type }])),
      ),
    );
  const { cosine, tensors } = await measure('float32');
  for (const type of ['float16', 'bfloat16', 'float64'] as const) {
    const other = await measure(type);
    assert.deepEqual([other.cosine, other.tensors], [cosine, tensors]);
  }
});

test('the median of an even count is the middle of the two', () => {
  assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3]), median([])], [2, 2.5, Number.NaN]);
});
