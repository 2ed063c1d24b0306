import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Model, openModel } from '../../../../src/onnx/index.ts';
import type { StateTable } from '../../../../src/snapshots/index.ts';
import { expressionText } from '../../../../src/snapshots/map/expression.ts';
import { makeMap, type StateMap } from '../../../../src/snapshots/map/make-map.ts';
import { proveMap } from '../../../../src/snapshots/map/prove-map.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import {
  node,
  type TestModel,
  type TestTensor,
  tensor,
  valueInfo,
  weightsModel,
  writeModel,
} from '../../../support/model-builder.ts';
import { numbers, type StateValue, stateFile } from '../../../support/state-tables.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
let files = 0;
const template = (model: TestModel): Model => openModel(writeModel(join(root, `${files++}.onnx`), model));
const state = (tensors: Readonly<Record<string, StateValue>>): StateTable =>
  stateFile(join(root, `${files++}.safetensors`), tensors);
const vector = (values: readonly number[]): StateValue => ({ dims: [values.length], values });
const texts = ({ entries }: StateMap): string[] =>
  entries.map(({ tensor: { name }, expression }) => `${name} = ${expressionText(expression)}`);
const weights = (...tensors: TestTensor[]): Model => template(weightsModel(tensors));
const f = Math.fround;

const W = { dims: [4, 3, 2, 2], values: numbers(48, 1) };
const bn = (seed: number) => ({
  gamma: numbers(4, seed, 0.5, 1),
  beta: numbers(4, seed + 1),
  mean: numbers(4, seed + 2),
  variance: numbers(4, seed + 3, 0.4, 1),
});

/** A convolution with a BatchNormalization behind it, folded in float32 as torch does; its tensors' names say nothing. */
function folded(
  { gamma, beta, mean, variance }: ReturnType<typeof bn>,
  epsilon: number,
  bias?: readonly number[],
): Model {
  const scale = gamma.map((value, c) => f(value / f(Math.sqrt(f(variance[c]! + epsilon)))));
  const values = W.values.map((value, i) => f(value * scale[Math.floor(i / 12)]!));
  const shifted = beta.map((value, c) => f(f(f((bias?.[c] ?? 0) - mean[c]!) * scale[c]!) + value));
  return template({
    nodes: [node('Conv', ['x', 'a', 'b'], ['y'])],
    initializers: [tensor({ name: 'a', dims: W.dims, values }), tensor({ name: 'b', dims: [4], values: shifted })],
    inputs: [valueInfo('x', [1, 3, 8, 8])],
    outputs: [valueInfo('y', [1, 4, 7, 7])],
  });
}

const network = ({ gamma, beta, mean, variance }: ReturnType<typeof bn>, names = 'bn.', bias?: readonly number[]) => ({
  'conv.weight': W,
  ...(bias ? { 'conv.bias': vector(bias) } : {}),
  [`${names}weight`]: vector(gamma),
  [`${names}bias`]: vector(beta),
  [`${names}running_mean`]: vector(mean),
  [`${names}running_var`]: vector(variance),
});

test('a folded BatchNormalization is found by its values, with the epsilon that no graph holds', () => {
  for (const epsilon of [1e-5, 1e-3, 1e-6, 3.3e-4]) {
    const map = makeMap(folded(bn(10), epsilon), state({ ...network(bn(20), 'other.'), ...network(bn(10)) }), []);
    assert.deepEqual(texts(map), [
      `a = conv.weight · bn.weight / √(bn.running_var + ${epsilon})`,
      `b = bn.bias + (0 − bn.running_mean) · bn.weight / √(bn.running_var + ${epsilon})`,
    ]);
    assert.ok(map.entries.every(({ proof }) => proof.exact));
    assert.deepEqual(map.notes, []);
  }
});

test('a bias of the convolution is folded with it, wherever the layer is named', () => {
  const bias = numbers(4, 77);
  const names = {
    'x.weight': W,
    b0: vector(bias),
    v1: vector(bn(10).gamma),
    v2: vector(bn(10).beta),
    v3: vector(bn(10).mean),
    v4: vector(bn(10).variance),
  };
  const map = makeMap(folded(bn(10), 1e-5), state(names), []);
  assert.deepEqual(texts(map), ['a = x.weight · v1 / √(v4 + 0.00001)', 'b = v2 + (0 − v3) · v1 / √(v4 + 0.00001)']);
  const own = makeMap(folded(bn(10), 1e-5, bias), state(network(bn(10), 'bn.', bias)), []);
  assert.equal(texts(own)[1], 'b = bn.bias + (conv.bias − bn.running_mean) · bn.weight / √(bn.running_var + 0.00001)');
});

test('transposed, sliced, summed, scaled and joined weights are found', () => {
  const [m, p, c, q, k] = [numbers(24, 1), numbers(40, 2), numbers(8, 3), numbers(64, 4), numbers(16, 5)];
  const turned = Array.from({ length: 24 }, (_, i) => m[(i % 4) * 6 + Math.floor(i / 4)]!);
  const map = makeMap(
    weights(
      { name: 't', dims: [6, 4], values: turned },
      { name: 'rest', dims: [1, 4, 8], values: p.slice(8) },
      { name: 'first', dims: [1, 1, 8], values: c.map((value, i) => f(value + p[i]!)) },
      { name: 'half', dims: [8, 4], values: q.slice(0, 32).map((value) => f(value * f(8 ** -0.5))) },
      { name: 'other', dims: [8, 4], values: q.slice(32) },
      {
        name: 'both',
        dims: [36],
        values: [...k, ...new Array<number>(4).fill(0), ...k.map((value) => f(value * 0.5))],
      },
    ),
    state({
      m: { dims: [4, 6], values: m },
      pos: { dims: [1, 5, 8], values: p },
      cls: { dims: [1, 1, 8], values: c },
      q: { dims: [16, 4], values: q },
      k: vector(k),
    }),
    [],
  );
  assert.deepEqual(texts(map), [
    't = m.T',
    'rest = pos[8: 32 of 40]',
    'first = cls + pos[0: 8 of 40]',
    `half = q[0: 32 of 64] · ${f(8 ** -0.5)}`,
    'other = q[32: 32 of 64]',
    'both = joined(k, 4 of the template, k · 0.5)',
  ]);
});

test('a table gathered by an index that no graph holds is found, its last axis in front', () => {
  const table = numbers(21, 9);
  const rows = [3, 0, 6, 6, 1, 2, 5, 4];
  const values = [0, 1, 2].flatMap((head) => rows.map((row) => table[row * 3 + head]!));
  const map = makeMap(
    weights({ name: 'bias', dims: [1, 3, 2, 4], values }),
    state({ table: { dims: [7, 3], values: table } }),
    [],
  );
  assert.deepEqual(texts(map), ['bias = table gathered by 8 indices']);
});

test('what nothing explains is named with the nearest key', async () => {
  const values = numbers(12, 1);
  const model = weights({ name: 'w', dims: [12], values: values.map((value, i) => (i === 5 ? value + 0.25 : value)) });
  const error = await expectFailure(
    'MISMATCH_TENSOR',
    [/"w" \[12\] is nearest to own, which differs by up to 0\.250/],
    () => makeMap(model, state({ own: vector(values) }), []),
  );
  assert.deepEqual(error.details.tensors, ['w']);
});

test('a tensor that no weight explains is a constant only where every weight is read', async () => {
  const [own, other, table] = [numbers(12, 1), numbers(12, 2), numbers(40, 3)];
  const model = weights({ name: 'own', dims: [12], values: own }, { name: 'sines', dims: [40], values: table });
  const first = { own: vector(own) };
  const map = makeMap(model, state(first), [state({ own: vector(other) })]);
  assert.deepEqual(texts(map), ['own = own', 'sines = constant of the template']);
  assert.match(map.notes.join(), /every weight is read elsewhere: "sines"/);
  const more = (seed: number) => ({ hidden: vector(numbers(7, seed)) });
  await expectFailure('MISMATCH_TENSOR', [/"sines"/], () =>
    makeMap(model, state({ ...first, ...more(4) }), [state({ own: vector(other), ...more(5) })]),
  );
});

test('keys of equal values need no choice where they are equal in every checkpoint, and a name where they are not', async () => {
  const [own, other] = [numbers(12, 1), numbers(12, 2)];
  const tied = { a: vector(own), b: vector(own) };
  assert.deepEqual(
    texts(
      makeMap(weights({ name: 'val_1', dims: [12], values: own }), state(tied), [
        state({ a: vector(other), b: vector(other) }),
      ]),
    ),
    ['val_1 = a'],
  );
  const apart = state({ a: vector(own), b: vector(other) });
  await expectFailure('MISMATCH_TENSOR', [/is a, b alike/], () =>
    makeMap(weights({ name: 'val_1', dims: [12], values: own }), state(tied), [apart]),
  );
  const two = weights({ name: 'b', dims: [12], values: own }, { name: 'net.a', dims: [12], values: own });
  const map = makeMap(two, state(tied), [apart]);
  assert.deepEqual(texts(map), ['b = b', 'net.a = a']);
  assert.match(map.notes.join(), /names decided/);
});

test('two weights that an exporter made one tensor are refused where they differ later', async () => {
  const [own, other] = [numbers(12, 1), numbers(12, 2)];
  await expectFailure('MISMATCH_TENSOR', [/b and a are one tensor of the template/], () =>
    makeMap(weights({ name: 'a', dims: [12], values: own }), state({ a: vector(own), b: vector(own) }), [
      state({ a: vector(own), b: vector(other) }),
    ]),
  );
});

test('zeros are a weight by name, a constant where no weight of theirs changes, and refused where nothing decides', async () => {
  const zeros = vector([0, 0, 0]);
  const model = (name: string) => weights({ name, dims: [3], values: [0, 0, 0] });
  const trained = (...keys: string[]) => [
    state(Object.fromEntries(keys.map((key, i) => [key, vector(numbers(3, i + 1))]))),
  ];
  assert.deepEqual(texts(makeMap(model('bias'), state({ bias: zeros }), trained('bias'))), ['bias = bias']);
  assert.deepEqual(texts(makeMap(model('val_3'), state({ bias: zeros }), [state({ bias: zeros })])), [
    'val_3 = constant of the template',
  ]);
  assert.deepEqual(texts(makeMap(model('val_3'), state({ bias: zeros }), trained('bias'))), ['val_3 = bias']);
  await expectFailure('MISMATCH_TENSOR', [/"val_3" \[3\] is equal to a, b/], () =>
    makeMap(model('val_3'), state({ a: zeros, b: zeros }), trained('a', 'b')),
  );
});

test('the checkpoint that a template was exported from is found by value', async () => {
  const tables = [1, 2, 3].map((seed) =>
    state({ w: { dims: [4, 5], values: numbers(20, seed) }, b: vector(numbers(5, seed + 10)) }),
  );
  const model = weights(
    { name: 'w', dims: [4, 5], values: numbers(20, 2) },
    { name: 'b', dims: [5], values: numbers(5, 12) },
  );
  assert.equal(proveMap(model, [() => tables], tables).reference, tables[1]);
  const none = weights({ name: 'w', dims: [4, 5], values: numbers(20, 9) });
  await expectFailure('MISMATCH_TENSOR', [/is no export of any of 3 state dicts/], () =>
    proveMap(none, [() => tables], tables),
  );
});
