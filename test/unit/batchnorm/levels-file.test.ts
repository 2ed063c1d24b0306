import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type BatchNormLayer,
  type LevelDone,
  levelsDone,
  type MomentsRun,
  readLevelsFile,
  writeLevelsFile,
} from '../../../src/batchnorm/index.ts';
import { memorySource, openAtomic, type SafetensorsTensor, writeSafetensors } from '../../../src/core/index.ts';
import { assertFails } from '../../support/assert-fails.ts';
import { RUN } from '../../support/moments.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
/** Two layers of one level, named and sized as the run's, and one of the next. */
const CHAIN: MomentsRun = { ...RUN, layers: [...RUN.layers, { name: 'last', channels: 2 }] };
const LAYERS = CHAIN.layers.map(
  ({ name, channels }, l) => ({ name, channels, level: l < 2 ? 0 : 1 }) as BatchNormLayer,
);
/** Values that float32 does not have. */
const level = (number: number): LevelDone => ({
  level: number,
  measured: LAYERS.filter((layer) => layer.level === number).map((layer) => ({
    layer,
    count: 12_345_678_901 + layer.channels,
    statistics: {
      mean: Float64Array.from({ length: layer.channels }, (_, c) => (c - 1) / 3),
      variance: Float64Array.from({ length: layer.channels }, (_, c) => c / 7),
    },
  })),
});
const at = (name: string): string => join(folder, name);
const read = (name: string) => readLevelsFile(memorySource(readFileSync(at(name)), name));

test('levels come back bit for bit, in float64, with what they were made from', () => {
  writeLevelsFile(at('one'), CHAIN, 300, [level(0)]);
  const one = read('one');
  assert.deepEqual([one.run, one.images], [CHAIN, 300]);
  assert.deepEqual(levelsDone(one, LAYERS), [level(0)]);
  writeLevelsFile(at('one'), CHAIN, 300, [level(0), level(1)]);
  assert.deepEqual(levelsDone(read('one'), LAYERS), [level(0), level(1)]);
  assert.deepEqual(readdirSync(folder), ['one'], 'no temporary file is left');
});

test('a level of which a layer is missing is not done', () => {
  const [first] = level(0).measured;
  assert.ok(first);
  writeLevelsFile(at('half'), CHAIN, 300, [{ level: 0, measured: [first] }, level(1)]);
  assert.deepEqual(levelsDone(read('half'), LAYERS), [level(1)]);
});

test('the bytes do not depend on the order in which levels were kept', () => {
  writeLevelsFile(at('rising'), CHAIN, 300, [level(0), level(1)]);
  writeLevelsFile(at('falling'), CHAIN, 300, [level(1), level(0)]);
  assert.deepEqual(readFileSync(at('falling')), readFileSync(at('rising')));
});

const F64 = (name: string, ...values: number[]): SafetensorsTensor => ({
  name,
  dtype: 'F64',
  shape: [values.length],
  data: Float64Array.from(values),
});
const GOOD: readonly SafetensorsTensor[] = [
  { name: 'images', dtype: 'U64', shape: [1], data: BigUint64Array.of(3n) },
  { name: 'layer', dtype: 'U32', shape: [1], data: Uint32Array.of(2) },
  { name: 'count', dtype: 'U64', shape: [1], data: BigUint64Array.of(9n) },
  F64('mean.2', 0, 1),
  F64('variance.2', 1, 0),
];
function write(name: string, tensors: readonly SafetensorsTensor[], format = 'onnx-temper levels 1'): void {
  const file = openAtomic(at(name));
  const metadata = new Map([
    ['format', format],
    ['run', JSON.stringify(CHAIN)],
  ]);
  writeSafetensors(file, tensors, metadata);
  file.publish({ force: true });
}
const with_ = (...changes: readonly SafetensorsTensor[]): SafetensorsTensor[] => [
  ...GOOD.filter(({ name }) => !changes.some((change) => change.name === name)),
  ...changes,
];

test('files are hostile: each thing that cannot be is refused, with what to do', () => {
  write('good', GOOD);
  assert.deepEqual(
    read('good').done.map(({ name, count }) => [name, count]),
    [['last', 9]],
  );
  const cases: Readonly<Record<string, readonly [tensors: readonly SafetensorsTensor[], message: RegExp]>> = {
    'a negative variance': [with_(F64('variance.2', 1, -1)), /last has a mean or a variance that none can be/],
    'a mean that is no number': [with_(F64('mean.2', Number.NaN, 1)), /last has a mean or a variance that none can be/],
    'too few channels': [with_(F64('mean.2', 0)), /mean\.2 is \[1\], expected \[2\]/],
    'a layer that the run lacks': [[...GOOD, F64('mean.7', 1), F64('variance.7', 1)], /layer 7 of 3/],
    'another tensor': [[...GOOD, F64('more', 1)], /6 tensors, expected 5/],
    'a layer without statistics': [
      with_({ name: 'layer', dtype: 'U32', shape: [1], data: Uint32Array.of(1) }),
      /layer 1 has no statistics/,
    ],
    'no images': [
      with_({ name: 'images', dtype: 'U64', shape: [1], data: BigUint64Array.of(0n) }),
      /a count is not one/,
    ],
    'a count beyond 2^53': [
      with_({ name: 'count', dtype: 'U64', shape: [1], data: BigUint64Array.of(1n << 60n) }),
      /a count is not one/,
    ],
    'another type': [
      with_({ name: 'mean.2', dtype: 'F32', shape: [2], data: Float32Array.of(0, 1) }),
      /mean\.2 has type F32/,
    ],
  };
  for (const [what, [tensors, message]] of Object.entries(cases)) {
    write('bad', tensors);
    const error = assertFails(() => read('bad'), 'FORMAT_MALFORMED');
    assert.match(error.message, message, what);
    assert.match(error.hint ?? '', /Delete it/);
  }
  write('moments', GOOD, 'onnx-temper moments 1');
  assert.match(assertFails(() => read('moments'), 'FORMAT_MALFORMED').message, /format "onnx-temper moments 1"/);
  writeFileSync(at('cut'), readFileSync(at('good')).subarray(0, -1));
  assertFails(() => read('cut'), 'FORMAT_TRUNCATED');
});
