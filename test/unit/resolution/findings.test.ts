/** Graphs that run at other sizes and mean something else: found by name, with the place. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TemperError } from '../../../src/core/index.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { analyseSizes, probe } from '../../../src/resolution/index.ts';
import { openSession } from '../../../src/runtime/index.ts';
import { normals } from '../../support/batchnorm.ts';
import { node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const folder = tempFolder();
let files = 0;
const CHANNELS = 4;
const CLASSES = 5;

const floats = (name: string, dims: readonly number[]) =>
  tensor({
    name,
    dims,
    values: normals(
      dims.length,
      dims.reduce((product, dim) => product * dim, 1),
    ),
  });
const ints = (name: string, values: readonly number[]) =>
  tensor({ name, dims: [values.length], values, type: 'int64' });

/** [N, 3, H, W] -> a 3x3 convolution of stride 2 -> `tail` -> scores. */
function classifier(tail: TestModel['nodes'], initializers: TestModel['initializers'] = []): TestModel {
  return {
    nodes: [node('Conv', ['x', 'w'], ['map'], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }), ...tail],
    initializers: [floats('w', [CHANNELS, 3, 3, 3]), floats('fc', [CHANNELS, CLASSES]), ...initializers],
    inputs: [valueInfo('x', ['N', 3, 'H', 'W'])],
    outputs: [valueInfo('scores', ['N', CLASSES])],
  };
}

const HEAD = [node('Flatten', ['pooled'], ['flat']), node('MatMul', ['flat', 'fc'], ['scores'])];
const GLOBAL = [node('GlobalAveragePool', ['features'], ['pooled']), ...HEAD];

/** Findings at a size, of a graph made for 16 px (a map of 8), and whether onnxruntime runs it there. */
async function lookAt(model: TestModel, size: number) {
  const path = writeModel(join(folder, `${files++}.onnx`), model);
  const file = openModel(path);
  const session = await openSession({ model: path, device: 'cpu', threads: 1 });
  try {
    const { findings } = analyseSizes(file, 'x', [2, 3, 16, 16]).at([2, 3, size, size]);
    const runs = await probe(session, [2, 3, size, size]).then(
      () => true,
      (error: unknown) => (error as TemperError).code,
    );
    return { findings, runs };
  } finally {
    await session.close();
    file.close();
  }
}

test('an AveragePool that covered the map ignores border rows of a larger one, without an error', async () => {
  const model = classifier([
    node('AveragePool', ['map'], ['pooled'], { kernel_shape: [8, 8], strides: [8, 8] }),
    ...HEAD,
  ]);
  assert.deepEqual(await lookAt(model, 16), { findings: [], runs: true });
  for (const [size, ignored] of [
    [18, 1],
    [22, 3],
    [30, 7],
  ] as const) {
    const { findings, runs } = await lookAt(model, size);
    assert.equal(runs, true);
    const map = size / 2;
    assert.deepEqual(findings, [
      {
        node: '/pooled',
        operator: 'AveragePool',
        what: `a window of 8x8 ignores ${ignored} and ${ignored} border rows and columns of a map of ${map}x${map}`,
      },
    ]);
  }
  // A map smaller than the window: the operator says that it does not fit, onnxruntime runs it.
  const { findings, runs } = await lookAt(model, 12);
  assert.deepEqual(
    [runs, findings],
    [true, [{ node: '/pooled', operator: 'AveragePool', what: 'a window of 8 does not fit a map of 6' }]],
  );
});

test('a constant Reshape to [-1, C·8·8] makes several rows of one image: onnxruntime runs it, the scores are of another batch', async () => {
  const model = classifier(
    [node('Reshape', ['map', 'shape'], ['flat']), node('MatMul', ['flat', 'wide'], ['scores'])],
    [ints('shape', [-1, CHANNELS * 64]), floats('wide', [CHANNELS * 64, CLASSES])],
  );
  const { findings, runs } = await lookAt(model, 32);
  assert.equal(runs, 'EXECUTION_OUTPUT');
  assert.deepEqual(
    findings.map(({ operator, what }) => [operator, what]),
    [['Reshape', 'a constant shape [-1,256] for [2,4,8,8] takes [2,4,16,16]']],
  );
});

test('a constant Reshape that takes other maps silently is found: tokens of a fixed number', async () => {
  const model = classifier(
    [
      node('Reshape', ['map', 'shape'], ['tokens']),
      node('ReduceMean', ['tokens'], ['means'], { axes: [2], keepdims: 0 }),
      node('MatMul', ['means', 'wide'], ['scores']),
    ],
    [ints('shape', [0, 64, -1]), floats('wide', [64, CLASSES])],
  );
  const { findings, runs } = await lookAt(model, 32);
  assert.equal(runs, true);
  assert.equal(findings[0]?.operator, 'Reshape');
});

test('a Reshape whose -1 takes the whole map is safe, as is one whose target is computed from the shape', async () => {
  const flat = classifier(
    [
      node('Reshape', ['map', 'shape'], ['tokens']),
      node('ReduceMean', ['tokens'], ['flat'], { axes: [2], keepdims: 0 }),
      node('MatMul', ['flat', 'fc'], ['scores']),
    ],
    [ints('shape', [0, CHANNELS, -1])],
  );
  const computed = classifier([
    node('Shape', ['map'], ['dims']),
    node('Reshape', ['map', 'dims'], ['features']),
    ...GLOBAL,
  ]);
  for (const model of [flat, computed]) assert.deepEqual(await lookAt(model, 30), { findings: [], runs: true });
});

test('a roll (a constant number of rows) is suspect; a crop relative to both borders is not', async () => {
  const slice = (name: string) => [node('Slice', ['map', `${name}.start`, `${name}.end`, 'axes'], [name])];
  const bounds = (name: string, start: number, end: number) => [
    ints(`${name}.start`, [start]),
    ints(`${name}.end`, [end]),
  ];
  const roll = classifier(
    [...slice('low'), ...slice('high'), node('Concat', ['low', 'high'], ['features'], { axis: 2 }), ...GLOBAL],
    [...bounds('low', 3, 1000), ...bounds('high', 0, 3), ints('axes', [2])],
  );
  const { findings } = await lookAt(roll, 20);
  assert.deepEqual(findings, [{ node: '/high', operator: 'Slice', what: 'cuts 3 of 10 as of 8 (a roll or a window)' }]);
  const crop = classifier([...slice('features'), ...GLOBAL], [...bounds('features', 1, -1), ints('axes', [2])]);
  assert.deepEqual(await lookAt(crop, 20), { findings: [], runs: true });
});

test('a position embedding of another size is blocked, and found where broadcasting would hide it', async () => {
  const model = classifier(
    [node('Add', ['map', 'positions'], ['features']), ...GLOBAL],
    [floats('positions', [1, CHANNELS, 8, 8])],
  );
  assert.equal((await lookAt(model, 20)).runs, 'EXECUTION_RUN');
  // A map of one place is spread over the embedding.
  const { findings, runs } = await lookAt(model, 2);
  assert.equal(runs, true);
  assert.match(findings[0]?.what ?? '', /^a constant makes \[2,4,8,8\] of \[2,4,1,1\]/);
});

test('an operator without a rule makes a size suspect and leaves GMACs empty, with its name', async () => {
  const model = classifier([node('GridMagic', ['map'], ['features'], {}, 'my.domain'), ...GLOBAL]);
  const path = writeModel(join(folder, `${files++}.onnx`), model);
  const analysis = analyseSizes(openModel(path), 'x', [2, 3, 16, 16]).at([2, 3, 20, 20]);
  assert.equal(analysis.gmacs, undefined);
  assert.equal(analysis.gmacsNote, 'operators without a rule: my.domain.GridMagic');
  assert.equal(analysis.findings[0]?.what, 'the operator is not known, nothing is verified behind it');
});

test('the feature map is that before the last reduction, whatever reduces it', () => {
  const mean = classifier([node('ReduceMean', ['map'], ['flat'], { axes: [2, 3], keepdims: 0 }), HEAD[1] as never]);
  const path = writeModel(join(folder, `${files++}.onnx`), mean);
  assert.deepEqual(analyseSizes(openModel(path), 'x', [2, 3, 16, 16]).at([2, 3, 21, 33]).map, [11, 17]);
});

test("an operator named like one of JavaScript's own properties is one without a rule, and nothing more", () => {
  const path = writeModel(
    join(folder, `${files++}.onnx`),
    classifier([node('toString', ['map'], ['features']), ...GLOBAL]),
  );
  const file = openModel(path);
  const { findings } = analyseSizes(file, 'x', [2, 3, 16, 16]).at([2, 3, 32, 32]);
  file.close();
  assert.deepEqual(
    findings.map(({ operator }) => operator),
    ['toString'],
  );
});

test('a negative length at one size is that of its size: the others are analysed', async () => {
  // As many zeros as the height is over 10, added to the scores.
  const model = classifier(
    [
      node('Shape', ['x'], ['dims']),
      node('Gather', ['dims', 'height'], ['h']),
      node('Sub', ['h', 'ten'], ['length']),
      node('ConstantOfShape', ['length'], ['zeros']),
      node('ReduceSum', ['zeros'], ['zero'], { keepdims: 0 }),
      node('Add', ['map', 'zero'], ['features']),
      ...GLOBAL,
    ],
    [ints('height', [2]), ints('ten', [10])],
  );
  const path = writeModel(join(folder, `${files++}.onnx`), model);
  const analysis = analyseSizes(openModel(path), 'x', [2, 3, 16, 16]);
  const [small, large] = [8, 20].map((size) => analysis.at([2, 3, size, size]));
  assert.equal(small?.findings[0]?.what, 'a constant of shape [-2]');
  assert.deepEqual(large?.findings, []);
});

test('an error that no rule foresees is said of the size, and ends nothing', () => {
  const file = openModel(writeModel(join(folder, `${files++}.onnx`), classifier(GLOBAL)));
  const odd = Object.create(file, {
    record: {
      get: () => {
        throw new RangeError('Invalid array length');
      },
    },
  });
  const { findings, gmacs, gmacsNote } = analyseSizes(odd, 'x', [2, 3, 16, 16]).at([2, 3, 20, 20]);
  assert.deepEqual([gmacs, gmacsNote], [undefined, 'its shapes cannot be inferred: Invalid array length']);
  assert.equal(findings.length, 1);
  file.close();
});
