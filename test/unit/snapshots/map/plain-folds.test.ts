import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Model, openModel } from '../../../../src/onnx/index.ts';
import { decodeValues, mappedBlocks, mappedBytes, type StateTable } from '../../../../src/snapshots/index.ts';
import { makeMap } from '../../../../src/snapshots/map/make-map.ts';
import { stateFloats } from '../../../../src/snapshots/map/state-values.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { node, tensor, valueInfo, weightsModel, writeModel } from '../../../support/model-builder.ts';
import { numbers, stateFile } from '../../../support/state-tables.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const f = Math.fround;
const EPSILON = 1e-5;

/** 40,000 elements a channel: more than are read at a time, and no multiple of it. */
const DIMS = [3, 1, 200, 200];
const INNER = 40_000;
const weight = numbers(3 * INNER, 1);
const vectors = {
  'bn.weight': numbers(3, 2, 0.5, 1),
  'bn.bias': numbers(3, 3),
  'bn.running_mean': numbers(3, 4),
  'bn.running_var': numbers(3, 5, 0.4, 1),
};

let files = 0;
const state = (values: readonly number[]): StateTable =>
  stateFile(join(root, `${files++}.safetensors`), {
    'conv.weight': { dims: DIMS, values },
    ...Object.fromEntries(Object.entries(vectors).map(([key, own]) => [key, { dims: [3], values: own }])),
  });

const root32 = (c: number): number => f(Math.sqrt(f(vectors['bn.running_var'][c]! + EPSILON)));
/** What torch, an exporter with 1/√ and one that multiplies first make of a weight. */
const ORDERS = {
  divide: (w: number, c: number) => f(w * f(vectors['bn.weight'][c]! / root32(c))),
  reciprocal: (w: number, c: number) => f(w * f(vectors['bn.weight'][c]! * f(1 / root32(c)))),
  'weight first': (w: number, c: number) => f(f(w * vectors['bn.weight'][c]!) / root32(c)),
} as const;

function folded(order: keyof typeof ORDERS, change: (values: number[]) => void = () => {}): Model {
  const values = weight.map((value, i) => ORDERS[order](value, Math.floor(i / INNER)));
  change(values);
  const path = writeModel(join(root, `${files++}.onnx`), {
    nodes: [node('Conv', ['x', 'w'], ['y'])],
    initializers: [tensor({ name: 'w', dims: DIMS, values })],
    inputs: [valueInfo('x', [1, 1, 200, 200])],
    outputs: [valueInfo('y', [1, 3, 1, 1])],
  });
  return openModel(path);
}

test('a large folded weight is proved in the order in which it was folded, and computed again block by block', () => {
  const table = state(weight);
  for (const order of Object.keys(ORDERS) as (keyof typeof ORDERS)[]) {
    const template = folded(order);
    const [entry] = makeMap(template, table, []).entries;
    assert.ok(entry?.expression.kind === 'folded weight' && entry.proof.exact);
    assert.equal(entry.expression.arithmetic, order);
    const values = (key: string) => stateFloats(table, key);
    const whole = mappedBytes(template, entry, values);
    const next = mappedBlocks(entry, values);
    const own = values('conv.weight') as Float32Array;
    const blocks = [0, 5, 40_000, 40_001, 99_999].map((start, i, starts) =>
      Buffer.from(next(own.subarray(start, starts[i + 1] ?? own.length))),
    );
    assert.ok(Buffer.concat(blocks).equals(whole), order);
    assert.deepEqual(decodeValues(whole, 'float32').length, weight.length);
  }
});

test('every element of a folded weight is compared, wherever it lies', async () => {
  const table = state(weight);
  for (const at of [0, 17, 39_999, 65_537, 3 * INNER - 1]) {
    const template = folded('divide', (values) => {
      values[at] = values[at]! * 1.001;
    });
    await expectFailure('MISMATCH_TENSOR', [/"w"/], () => makeMap(template, table, []));
  }
});

test('every element of a copy is compared, wherever it lies', async () => {
  const table = state(weight);
  const template = (values: readonly number[]): Model =>
    openModel(writeModel(join(root, `${files++}.onnx`), weightsModel([{ name: 'w', dims: DIMS, values }])));
  assert.equal(makeMap(template(weight), table, []).entries[0]?.expression.kind, 'copy');
  for (const at of [100, 64_321, 3 * INNER - 70]) {
    const changed = weight.with(at, f(weight[at]! + 0.01));
    await expectFailure('MISMATCH_TENSOR', [/"w"/], () => makeMap(template(changed), table, []));
  }
});

test('an average that is no number is refused in a folded weight, with its element', async () => {
  const [entry] = makeMap(folded('divide'), state(weight), []).entries;
  const table = state(weight.with(50_000, Number.MAX_VALUE));
  const values = (key: string) => stateFloats(table, key);
  const own = values('conv.weight') as Float32Array;
  const next = mappedBlocks(entry!, values);
  next(own.subarray(0, 45_000));
  await expectFailure('NUMERIC_NONFINITE', [/element 50000/], () => next(own.subarray(45_000)));
  mappedBlocks(entry!, values, { allowNonfinite: true })(own);
});
