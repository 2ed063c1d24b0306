import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseTemplate } from '../../../src/average/index.ts';
import { average, tensorPlan, withSnapshots } from '../../support/average.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import {
  floatsOf,
  node,
  type TestModel,
  type TestTensor,
  tensor,
  valueInfo,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
let files = 0;
const write = (model: TestModel): string => writeModel(join(folder, `m${files++}.onnx`), model);

const image = [valueInfo('x', ['n', 2, 4, 4])];
const result = [valueInfo('y', ['n', 2, 4, 4])];
const graph = (nodes: TestModel['nodes'], ...initializers: TestTensor[]): TestModel => ({
  nodes,
  initializers: initializers.map((item) => tensor(item)),
  inputs: image,
  outputs: result,
});
const one = (name: string, value: number): TestTensor => ({ name, dims: [], values: [value] });
const conv = (name: string, k: number): TestTensor => ({ name, dims: [2, 2, 1, 1], values: [k, 1, 2, k] });

const rolesOf = async (path: string): Promise<Record<string, number>> =>
  Object.fromEntries((await tensorPlan([path, path])).roles);

/** Quantized weights behind DequantizeLinear, as static quantization writes them. */
const Q = (code: number): TestTensor => ({ name: 'q', dims: [2, 2, 1, 1], values: [code, 1, 2, 3], type: 'int8' });
const qdq = (scale: number, code: number, zero = 0): string =>
  write(
    graph(
      [node('DequantizeLinear', ['q', 's', 'z'], ['w']), node('Conv', ['x', 'w'], ['y'])],
      Q(code),
      one('s', scale),
      { name: 'z', dims: [], values: [zero], type: 'int8' },
    ),
  );

test('of quantized weights that differ in codes, scale or zero point all three are made anew; equal ones stay', async () => {
  for (const other of [qdq(0.25, 1), qdq(0.5, 2), qdq(0.5, 1, 3)]) {
    const { tensors, notes } = await tensorPlan([qdq(0.5, 1), other]);
    assert.deepEqual(
      tensors.map(({ name, treatment }) => [name, treatment]),
      [
        ['q', 'quantized'],
        ['s', 'quantized'],
        ['z', 'quantized'],
      ],
    );
    assert.deepEqual(notes.slice(-1), ['1 quantized tensors: their values are averaged, and quantized again']);
  }
  assert.deepEqual((await tensorPlan([qdq(0.5, 1), qdq(0.5, 1)])).tensors, []);
});

test('codes that an operator computes on, scales of blocks, and scales of several tensors are refused with the reason', async () => {
  const reason = [/scale/, /Average the float snapshots, then quantize/];
  const computed = (code: number): string =>
    write(graph([node('QLinearConv', ['x', 'xs', 'xz', 'q', 's', 'z', 'ys', 'yz'], ['y'])], Q(code), one('s', 1)));
  // --on-int-mismatch last is for counters: codes of one snapshot under the scale of another would be wrong weights.
  for (const rules of [{}, { onIntMismatch: 'last' }] as const)
    await expectFailure('UNSUPPORTED_QUANTIZED', [/"q" \(quantized weight/, ...reason], () =>
      tensorPlan([computed(1), computed(2)], rules),
    );
  const blocks = (code: number): string =>
    write(
      graph(
        [node('DequantizeLinear', ['q', 's'], ['w'], { block_size: 2 }), node('Conv', ['x', 'w'], ['y'])],
        Q(code),
        {
          name: 's',
          dims: [2, 1, 1, 1],
          values: [1, 2],
        },
      ),
    );
  await expectFailure('UNSUPPORTED_QUANTIZED', [/scales of blocks of an axis/], () =>
    tensorPlan([blocks(1), blocks(2)]),
  );
  const shared = (code: number): string =>
    write(
      graph(
        [
          node('DequantizeLinear', ['q', 's'], ['w']),
          node('DequantizeLinear', ['r', 's'], ['v']),
          node('Conv', ['x', 'w'], ['u']),
          node('Conv', ['u', 'v'], ['y']),
        ],
        Q(code),
        { ...Q(code), name: 'r' },
        one('s', 1),
      ),
    );
  await expectFailure('UNSUPPORTED_QUANTIZED', [/scale "s" serves several tensors/], () =>
    tensorPlan([shared(1), shared(2)]),
  );
});

test('an epsilon in a Constant node that drifts is refused, not averaged', async () => {
  const of = (epsilon: number): string =>
    write(
      graph([
        node('Constant', [], ['eps'], { value: { tensor: tensor(one('', epsilon)) } }),
        node('Add', ['x', 'eps'], ['y']),
      ]),
    );
  await expectFailure('MISMATCH_VALUE', [/"eps" \(constant/, /same settings/], () => tensorPlan([of(1e-5), of(1e-3)]));
  assert.deepEqual(await rolesOf(of(1e-5)), { constant: 1 });
});

test('an epsilon attribute that drifts is another graph', async () => {
  const of = (epsilon: number): string =>
    write(
      graph(
        [node('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], ['y'], { epsilon: { float: epsilon } })],
        ...['g', 'b', 'm', 'v'].map((name): TestTensor => ({ name, dims: [2], values: [1, 2] })),
      ),
    );
  await expectFailure('MISMATCH_GRAPH', [/BatchNormalization.*epsilon/], () => tensorPlan([of(1e-5), of(1e-3)]));
  assert.deepEqual(await rolesOf(of(1e-5)), { weight: 2, bn_mean: 1, bn_variance: 1 });
});

test('a bound or exponent that drifts is averaged as an initializer, with a note, and refused as a Constant node', async () => {
  const clip = (max: number): string =>
    write(graph([node('Clip', ['x', 'lo', 'hi'], ['y'])], one('lo', 0), one('hi', max)));
  const gem = (p: number): string =>
    write(graph([node('Pow', ['x', 'p'], ['y'])], { name: 'p', dims: [1], values: [p] }));
  const scale = (k: number): string => write(graph([node('Mul', ['x', 's'], ['y'])], one('s', k)));
  const note = /differ are averaged as weights, as learned exponents, bounds and scales are: /;
  for (const [of, name] of [
    [clip, 'hi'],
    [gem, 'p'],
    [scale, 's'],
  ] as const) {
    const out = join(folder, `learned-${name}.onnx`);
    await average([of(6), of(5)], out);
    assert.deepEqual([...floatsOf(out, name)], [5.5]);
    const { notes } = await tensorPlan([of(6), of(5)]);
    assert.match(notes.join(), new RegExp(`${note.source}"${name}"$`));
    assert.doesNotMatch((await tensorPlan([of(6), of(6)])).notes.join(), note);
  }
  assert.deepEqual(await rolesOf(clip(6)), { constant: 2 });
  const constant = (max: number): string =>
    write(graph([node('Constant', [], ['hi'], { value_float: { float: max } }), node('Clip', ['x', '', 'hi'], ['y'])]));
  await expectFailure('MISMATCH_VALUE', [/"hi" \(constant/], () => tensorPlan([constant(6), constant(5)]));
});

test('codes that an unknown operator reads are refused, whatever is said of integers that differ', async () => {
  const of = (code: number): string =>
    write(graph([node('DynamicQuantizeMatMul', ['x', 'q', 's'], ['y'], {}, 'com.microsoft')], Q(code), one('s', 1)));
  for (const onIntMismatch of ['error', 'last'] as const)
    await expectFailure('UNSUPPORTED_QUANTIZED', [/"q" \(quantized weight, int8/], () =>
      tensorPlan([of(1), of(2)], { onIntMismatch }),
    );
  assert.equal((await tensorPlan([of(1), of(1)])).tensors.length, 1);
});

test('a zero point of several tensors must be equal in all snapshots', async () => {
  const of = (zero: number): string =>
    write(
      graph(
        [
          node('DequantizeLinear', ['q', 's', 'z'], ['w']),
          node('DequantizeLinear', ['r', 't', 'z'], ['v']),
          node('Conv', ['x', 'w'], ['u']),
          node('Conv', ['u', 'v'], ['y']),
        ],
        Q(zero),
        { ...Q(1), name: 'r' },
        one('s', 1),
        one('t', 2),
        { name: 'z', dims: [], values: [zero], type: 'int8' },
      ),
    );
  await expectFailure('UNSUPPORTED_QUANTIZED', [/zero point "z" serves several tensors/], () =>
    tensorPlan([of(1), of(2)]),
  );
  const read = (zero: number): string =>
    write(
      graph(
        [
          node('DequantizeLinear', ['q', 's', 'z'], ['w']),
          node('Conv', ['x', 'w'], ['u']),
          node('Unheard', ['u', 'z'], ['y']),
        ],
        Q(1),
        one('s', 1),
        { name: 'z', dims: [], values: [zero], type: 'int8' },
      ),
    );
  await expectFailure('UNSUPPORTED_QUANTIZED', [/"z"/], () => tensorPlan([read(1), read(2)]));
});

test('a learned one-element initializer is averaged (a PReLU slope, a layer scale)', async () => {
  const of = (k: number): string =>
    write(
      graph(
        [node('PRelu', ['x', 'slope'], ['a']), node('Mul', ['a', 'scale'], ['y'])],
        { name: 'slope', dims: [1], values: [k] },
        one('scale', 2 * k),
      ),
    );
  const out = join(folder, 'one-element.onnx');
  await average([of(1), of(2)], out);
  assert.deepEqual([...floatsOf(out, 'slope'), ...floatsOf(out, 'scale')], [1.5, 3]);
});

test('shape and index constants must be equal, and a difference names the tensor', async () => {
  const of = (size: number): string =>
    write({
      ...graph([node('Reshape', ['x', 'shape'], ['y'])], {
        name: 'shape',
        dims: [2],
        values: [-1, size],
        type: 'int64',
      }),
      outputs: [valueInfo('y', ['n', 'm'])],
    });
  await expectFailure('MISMATCH_VALUE', [/"shape" \(shape or index, int64 \[2\]\)/], () =>
    tensorPlan([of(16), of(32)]),
  );
});

test('a shared initializer is averaged once and still shared', async () => {
  const of = (k: number): string =>
    write(graph([node('Conv', ['x', 'w'], ['a']), node('Conv', ['a', 'w'], ['y'])], conv('w', k)));
  const { tensors } = await tensorPlan([of(1), of(3)]);
  assert.deepEqual(
    tensors.map(({ name }) => name),
    ['w'],
  );
});

test('renamed tensors are paired by their place and reported; --match name refuses, --match graph is silent', async () => {
  const of = (name: string, k: number): string => write(graph([node('Conv', ['x', name], ['y'])], conv(name, k)));
  const paths = [of('onnx::Conv_497', 1), of('onnx::Conv_501', 3)];
  assert.match((await tensorPlan(paths)).notes.join(), /paired by place of use.*"onnx::Conv_497" is "onnx::Conv_501"/);
  assert.equal((await tensorPlan(paths, { match: 'graph' })).notes.filter((text) => /paired/.test(text)).length, 0);
  await expectFailure('MISMATCH_TENSOR', [/1 tensors go by other names/, /`match` auto/], () =>
    tensorPlan(paths, { match: 'name' }),
  );
  const out = join(folder, 'renamed.onnx');
  await average(paths, out);
  assert.deepEqual([...floatsOf(out, 'onnx::Conv_501')], [2, 1, 2, 2]);
});

test('names that were swapped between exports follow the graph, not the names', async () => {
  const of = (first: string, second: string): string =>
    write(
      graph([node('Conv', ['x', first], ['a']), node('Conv', ['a', second], ['y'])], conv(first, 1), conv(second, 5)),
    );
  const out = join(folder, 'swapped.onnx');
  await average([of('a.w', 'b.w'), of('b.w', 'a.w')], out);
  assert.deepEqual([floatsOf(out, 'b.w')[0], floatsOf(out, 'a.w')[0]], [1, 5]);
});

test('equal branches that are listed in another order are paired by name, as place and graph fit both ways', async () => {
  const of = (first: string, second: string, k: number): string => {
    const branch = (name: string) => node('Conv', ['x', name], [`${name}.out`]);
    return write(
      graph(
        [branch(first), branch(second), node('Add', [`${first}.out`, `${second}.out`], ['y'])],
        conv('left.w', k),
        conv('right.w', 100 + k),
      ),
    );
  };
  for (const match of ['auto', 'name'] as const) {
    const out = join(folder, `crossed-${match}.onnx`);
    await average([of('left.w', 'right.w', 1), of('right.w', 'left.w', 3)], out, { rules: { match } });
    assert.deepEqual([floatsOf(out, 'left.w')[0], floatsOf(out, 'right.w')[0]], [2, 102]);
  }
});

test('files that differ in payloads alone are compared in those too that no tensor of the graph holds', async () => {
  const filled = (value: number): string =>
    write({
      ...graph(
        [
          node('ConstantOfShape', ['shape'], ['c'], { value: { tensor: tensor(one('', value)) } }),
          node('Add', ['x', 'c'], ['y']),
        ],
        { name: 'shape', dims: [1], values: [4], type: 'int64' },
      ),
    });
  await expectFailure('MISMATCH_GRAPH', [/ConstantOfShape.*attribute value/], () => tensorPlan([filled(1), filled(3)]));
  const sparse = (index: number): string =>
    write({
      ...graph([node('MatMul', ['x', 's'], ['y'])]),
      sparse: [
        {
          values: tensor({ name: 's', dims: [1], values: [index] }),
          indices: tensor({ name: '', dims: [1], values: [index], type: 'int64' }),
          dims: [4, 4],
        },
      ],
    });
  await expectFailure('MISMATCH_TENSOR', [/"s".*sparse indices/], () => tensorPlan([sparse(1), sparse(2)]));
  assert.equal((await tensorPlan([sparse(1), sparse(1)])).tensors.length, 1);
});

test('a name that two values go by is noted', async () => {
  const twice = write(graph([node('Relu', ['x'], ['w']), node('Conv', ['x', 'w'], ['y'])], conv('w', 1)));
  assert.match((await tensorPlan([twice])).notes.join(), /two values are called "w", which ONNX forbids/);
});

test('initializers that an exporter merged behind Identity meet their counterparts', async () => {
  const merged = write(
    graph(
      [node('Identity', ['w'], ['w2']), node('Conv', ['x', 'w'], ['a']), node('Conv', ['a', 'w2'], ['y'])],
      conv('w', 2),
    ),
  );
  const apart = write(
    graph([node('Conv', ['x', 'w'], ['a']), node('Conv', ['a', 'w2'], ['y'])], conv('w', 4), conv('w2', 8)),
  );
  const out = join(folder, 'merged.onnx');
  const [record = assert.fail()] = await average([apart, merged], out);
  assert.equal(record.template, 0);
  assert.deepEqual([floatsOf(out, 'w')[0], floatsOf(out, 'w2')[0]], [3, 5]);
});

test('the template has most initializers; of several the last', async () => {
  const small = write(graph([node('Conv', ['x', 'w'], ['y'])], conv('w', 1)));
  const large = write(graph([node('Conv', ['x', 'w'], ['y'])], conv('w', 1), conv('unused', 1)));
  const choose = (...files: string[]): Promise<number> => withSnapshots(files, chooseTemplate);
  assert.deepEqual(
    [await choose(small, small), await choose(large, small), await choose(large, large, small)],
    [1, 0, 1],
  );
});

test('graphs that differ are refused with the first difference', async () => {
  const of = (...ops: string[]): string =>
    write(graph(ops.map((op, i) => node(op, [i === 0 ? 'x' : `v${i - 1}`], [i === ops.length - 1 ? 'y' : `v${i}`]))));
  await expectFailure('MISMATCH_GRAPH', [/node 1 Relu.*found Sigmoid, expected Relu/], () =>
    tensorPlan([of('Tanh', 'Sigmoid', 'Relu'), of('Tanh', 'Relu', 'Relu')]),
  );
  await expectFailure('MISMATCH_GRAPH', [/no further node/], () => tensorPlan([of('Tanh'), of('Tanh', 'Relu')]));
});

test('tensors of other shapes or types are refused by name', async () => {
  const of = (dims: number[], type: 'float32' | 'float16' = 'float32'): string =>
    write(
      graph([node('Conv', ['x', 'w'], ['y'])], {
        name: 'w',
        dims,
        values: dims.length > 0 ? new Array(dims.reduce((a, b) => a * b)).fill(1) : [],
        type,
      }),
    );
  await expectFailure('MISMATCH_TENSOR', [/"w": found float32 \[2,2,3,3\], expected float32 \[2,2,1,1\]/], () =>
    tensorPlan([of([2, 2, 3, 3]), of([2, 2, 1, 1])]),
  );
  await expectFailure('MISMATCH_TENSOR', [/float16/], () =>
    tensorPlan([of([2, 2, 1, 1], 'float16'), of([2, 2, 1, 1])]),
  );
});

test('BatchNormalization that was folded into Conv is said', async () => {
  const folded = (name: string): string =>
    write(graph([node('Conv', ['x', name, 'b'], ['y'])], conv(name, 1), { name: 'b', dims: [2], values: [1, 2] }));
  const notes = async (path: string): Promise<string> => (await tensorPlan([path])).notes.join();
  assert.match(await notes(folded('onnx::Conv_497')), /was folded into Conv by the exporter.*TrainingMode.PRESERVE/);
  assert.match(await notes(folded('conv.weight')), /if the network had it/);
  const fused = write(
    graph([node('FusedConv', ['x', 'w', 'b'], ['y'], {}, 'com.microsoft')], conv('w', 1), {
      name: 'b',
      dims: [2],
      values: [1, 2],
    }),
  );
  assert.match(await notes(fused), /optimized by onnxruntime.*go back to the exported ones/);
});

test('an initializer that no node uses is averaged where all have it, and else carried over with a note', async () => {
  const of = (k: number, ...more: TestTensor[]): string =>
    write(graph([node('Conv', ['x', 'w'], ['y'])], conv('w', k), ...more));
  const extra = (k: number): TestTensor => ({ name: 'extra', dims: [2], values: [k, k] });
  const out = [join(folder, 'unused1.onnx'), join(folder, 'unused2.onnx')];
  await average([of(1, extra(1)), of(3, extra(3))], out[0]!);
  assert.deepEqual([...floatsOf(out[0]!, 'extra')], [2, 2]);
  const paths = [of(1), of(3, extra(3))];
  assert.match((await tensorPlan(paths)).notes.join(), /has no "extra", which no node uses/);
  await average(paths, out[1]!);
  assert.deepEqual([...floatsOf(out[1]!, 'extra')], [3, 3]);
});
