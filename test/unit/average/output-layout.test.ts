import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { modelFromBytes } from '../../../src/onnx/index.ts';
import { average } from '../../support/average.ts';
import { averageInMemory } from '../../support/average-in-memory.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import {
  decodeModel,
  node,
  rawBytes,
  type TestModel,
  type TestType,
  TYPE_CODE,
  tensor,
  valueInfo,
  writeModel,
} from '../../support/model-builder.ts';
import { modelProto } from '../../support/onnx-messages.ts';
import { runModel } from '../../support/run-model.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
let files = 0;
const fresh = (): string => join(folder, `m${files++}.onnx`);
const TYPES = ['float16', 'bfloat16', 'float64'] as const;
const W = [0.1, -2.3, 1 / 3, 7.7];
const X = { x: { values: [1, 2, 3, 4, 5, 6, 7, 8], dims: [1, 2, 2, 2] } };

/** A 1x1 convolution whose filter is held in `holder`'s way. */
type Holder = (filter: readonly number[]) => TestModel;
const io = { inputs: [valueInfo('x', ['n', 2, 2, 2])], outputs: [valueInfo('y', ['n', 2, 2, 2])] };
const filter = (values: readonly number[], name = 'w') => tensor({ name, dims: [2, 2, 1, 1], values });
const branch = (values: readonly number[], output: string) => ({
  name: output,
  node: [node('Conv', ['x', `w_${output}`], [output])],
  initializer: [filter(values, `w_${output}`)],
  output: [valueInfo(output, ['n', 2, 2, 2])],
});
const HOLDERS: Record<string, Holder> = {
  'an initializer': (values) => ({ ...io, nodes: [node('Conv', ['x', 'w'], ['y'])], initializers: [filter(values)] }),
  'an initializer of IR 3': (values) => ({
    ...io,
    ir: 3,
    nodes: [node('Conv', ['x', 'w'], ['y'])],
    initializers: [filter(values)],
  }),
  'a Constant node': (values) => ({
    ...io,
    nodes: [node('Constant', [], ['w'], { value: { tensor: filter(values, '') } }), node('Conv', ['x', 'w'], ['y'])],
  }),
  'an If subgraph': (values) => ({
    ...io,
    nodes: [
      node('If', ['c'], ['y'], {
        then_branch: { graph: branch(values, 't') },
        else_branch: { graph: branch([1, 2, 3, 4], 'e') },
      }),
    ],
    initializers: [tensor({ name: 'c', dims: [], values: [1], type: 'bool' })],
  }),
};

/** The value as the storage type holds it. */
function stored(type: TestType, values: readonly number[]): number[] {
  const bytes = rawBytes(type, values);
  const at = (i: number): number =>
    type === 'float64'
      ? bytes.readDoubleLE(i * 8)
      : type === 'bfloat16'
        ? Buffer.from([0, 0, bytes[i * 2]!, bytes[i * 2 + 1]!]).readFloatLE()
        : half(bytes.readUInt16LE(i * 2));
  return values.map((_, i) => Math.fround(at(i)));
}
const half = (bits: number): number =>
  (bits & 0x8000 ? -1 : 1) * (1 + (bits & 1023) / 1024) * 2 ** (((bits >> 10) & 31) - 15);

for (const [name, holder] of Object.entries(HOLDERS)) {
  test(`--dtype stores the weight in ${name} as float16, bfloat16 and float64, and the model runs with its values`, async () => {
    const [a, b] = [W, W.map((w) => w + 0.5)];
    const mean = W.map((w, i) => (Math.fround(w) + Math.fround(b[i]!)) / 2);
    const paths = [a, b].map((values) => writeModel(fresh(), holder(values)));
    for (const dtype of TYPES) {
      const out = fresh();
      await average(paths, out, { dtype });
      const expected = await runModel(writeModel(fresh(), holder(stored(dtype, mean))), X);
      assert.deepEqual(await runModel(out, X), expected, dtype);
      const text = JSON.stringify(decodeModel(out));
      assert.match(text, new RegExp(`"dataType":${TYPE_CODE[dtype]}`), dtype);
      assert.match(text, /"opType":"Cast"/);
    }
  });
}

test('--dtype of a real snapshot halves the file, and float32 is no change', async () => {
  const [half, same, plain] = [fresh(), fresh(), fresh()];
  const [small = assert.fail()] = await average(SNAPSHOTS.slice(0, 2), half, { dtype: 'float16' });
  assert.ok(small.bytes < 180_000, `${small.bytes}`);
  await average(SNAPSHOTS.slice(0, 2), same, { dtype: 'float32' });
  await average(SNAPSHOTS.slice(0, 2), plain);
  assert.deepEqual(decodeModel(same).graph, decodeModel(plain).graph);
  const images = { input: { values: Array.from({ length: 400 }, (_, i) => Math.sin(i)), dims: [1, 1, 20, 20] } };
  const [a, b] = [await runModel(half, images), await runModel(plain, images)];
  a.forEach((value, i) => {
    assert.ok(Math.abs(value - b[i]!) < 0.02, `${value} and ${b[i]}`);
  });
});

test('a stored name that is taken already is not taken twice', async () => {
  const model = (k: number): TestModel => ({
    ...io,
    nodes: [node('Conv', ['x', 'w'], ['w_float16']), node('Relu', ['w_float16'], ['y'])],
    initializers: [filter(W.map((w) => w + k))],
  });
  const out = fresh();
  await average(
    [0, 1].map((k) => writeModel(fresh(), model(k))),
    out,
    { dtype: 'float16' },
  );
  assert.equal((await runModel(out, X)).length, 8);
});

test('an opset whose Cast lacks the type is refused before anything is written', async () => {
  const model = (opset: number): string[] =>
    [0, 1].map((k) => writeModel(fresh(), { ...HOLDERS['an initializer']!(W.map((w) => w + k)), opset }));
  await expectFailure('UNSUPPORTED_GRAPH', [/opset 12 cannot cast from bfloat16, which needs 13/], () =>
    average(model(12), fresh(), { dtype: 'bfloat16' }),
  );
  await average(model(12), fresh(), { dtype: 'float16' });
});

test('tensors that all lie in one external region cannot make the output fill the disk', async () => {
  const model = (): ReturnType<typeof modelFromBytes> => {
    const names = Array.from({ length: 300 }, (_, i) => `w${i}`);
    const external = { location: 'w.bin', offset: 0, length: 65536 };
    const bytes = modelProto({
      ir: 8,
      opset: 17,
      graph: {
        initializers: names.map((name) => ({ name, dims: [16384], external })),
        nodes: names.map((name) => ({ op: 'Add', inputs: ['x', name], outputs: [`y${name}`] })),
        inputs: [{ name: 'x', type: 1, dims: [16384] }],
      },
    });
    return modelFromBytes(bytes, new Map([['w.bin', new Uint8Array(65536)]]));
  };
  await expectFailure('FORMAT_LIMIT', [/share so much external data/], () => averageInMemory([model(), model()]));
});
