import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findLayers } from '../../../src/batchnorm/index.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { bnNode, imagesOf, measureFile, parametersOf, recalibrateFile } from '../../support/batchnorm.ts';
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

const root = tempFolder();
let files = 0;
const write = (model: TestModel): string => writeModel(join(root, `${files++}.onnx`), model);
const DIMS = ['n', 3, 5, 5];
const images = imagesOf(21, [12, 3, 5, 5]);

type NodeProto = TestModel['nodes'][number];
const graphOf = (name: string, nodes: readonly NodeProto[], output: string, stored: readonly TestTensor[] = []) => ({
  graph: {
    name,
    node: [...nodes],
    initializer: stored.map((item) => tensor(item)),
    output: [valueInfo(output, DIMS)],
  },
});
const choice = (cond: string, output: string, yes: ReturnType<typeof graphOf>, no: ReturnType<typeof graphOf>) =>
  node('If', [cond], [output], { then_branch: yes, else_branch: no });
const networkOf = (nodes: readonly NodeProto[], layers: readonly string[]): TestModel => ({
  nodes,
  initializers: [
    ...layers.flatMap((name) => parametersOf(name, 3)),
    { name: 'limit', dims: [], values: [19], type: 'float32' as const },
  ].map((item) => tensor(item)),
  inputs: [valueInfo('x', DIMS)],
  outputs: [valueInfo('y', DIMS)],
});
/** The condition: whether a batch holds the first image, of which a sum is large. */
const CONDITION = [node('ReduceMax', ['x'], ['top'], { keepdims: 0 }), node('Greater', ['top', 'limit'], ['yes'])];
const always = (nodes: readonly NodeProto[]) => [
  node('Constant', [], ['yes'], { value: { tensor: tensor({ name: '', dims: [], values: [1], type: 'bool' }) } }),
  ...nodes,
];

for (const method of ['batch', 'sequential'] as const) {
  test(`a layer in a branch that is taken (${method}): the bits that it gets in the main graph; the branch may nest, and store`, async () => {
    const flat = write(
      networkOf(
        [bnNode('a', 'x', 'h'), bnNode('b', 'h', 'i'), node('Relu', ['i'], ['j']), bnNode('c', 'j', 'y')],
        ['a', 'b', 'c'],
      ),
    );
    const inner = choice(
      'yes',
      't',
      graphOf('in', [bnNode('b', 'h', 'i'), node('Relu', ['i'], ['r'])], 'r', parametersOf('b', 3)),
      graphOf('out', [node('Neg', ['h'], ['s'])], 's'),
    );
    const branched = write(
      networkOf(
        always([
          bnNode('a', 'x', 'h'),
          choice('yes', 'j', graphOf('then', [inner], 't'), graphOf('else', [node('Identity', ['h'], ['e'])], 'e')),
          bnNode('c', 'j', 'y'),
        ]),
        ['a', 'c'],
      ),
    );
    const [own, plain] = await Promise.all(
      [branched, flat].map((path) => recalibrateFile(path, `${path}.out.onnx`, images, { method })),
    );
    assert.deepEqual(own?.reports, plain?.reports);
    assert.deepEqual(
      own?.reports.map(({ layer, level }) => [layer, level]),
      [
        ['a', 0],
        ['b', 1],
        ['c', 2],
      ],
    );
    const again = await measureFile(`${branched}.out.onnx`, images, { method });
    assert.equal(again.length, 3);
  });
}

test('layers of both branches are measured on the batches that take them, written where they lie or beside', async () => {
  const model = networkOf(
    [
      ...CONDITION,
      choice('yes', 'y', graphOf('then', [bnNode('a', 'x', 't')], 't'), graphOf('else', [bnNode('b', 'x', 'e')], 'e')),
    ],
    ['a', 'b'],
  );
  const data = Float32Array.from(images.data as Float32Array, (value, i) => (i < 4 * 75 ? 20 : 0) + value);
  const shifted = { ...images, data };
  const path = write(model);
  const { reports } = await recalibrateFile(path, `${path}.out.onnx`, shifted, { batch: 4 });
  assert.deepEqual(
    reports.map(({ layer, values }) => [layer, values]),
    [
      ['a', 4 * 25],
      ['b', 8 * 25],
    ],
  );
  const high = floatsOf(`${path}.out.onnx`, 'a.running_mean')[0] as number;
  const low = floatsOf(`${path}.out.onnx`, 'b.running_mean')[0] as number;
  assert.ok(high > 15 && low < 0, `${high}, ${low}`);
});

test('a branch that no image takes: refused by the name of its layer, which can be left out', async () => {
  const path = write(
    networkOf(
      always([
        bnNode('a', 'x', 'h'),
        choice(
          'yes',
          'y',
          graphOf('then', [node('Relu', ['h'], ['t'])], 't'),
          graphOf('else', [bnNode('b', 'h', 'e')], 'e'),
        ),
      ]),
      ['a', 'b'],
    ),
  );
  await assert.rejects(measureFile(path, images), {
    code: 'INPUT_TOO_FEW',
    message: /^b: .*taken for no image/,
    hint: /`layers`/,
  });
  const model = openModel(path);
  assert.deepEqual(
    findLayers(model).layers.map(({ name, branches }) => [name, branches.length]),
    [
      ['a', 0],
      ['b', 1],
    ],
  );
  model.close();
});
