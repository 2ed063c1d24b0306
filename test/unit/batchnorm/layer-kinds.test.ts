import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  assertNormalised,
  bnNode,
  imagesOf,
  type Normalised,
  oneLayer,
  PARAMETER_SUFFIXES,
  parametersOf,
  recalibrateFile,
} from '../../support/batchnorm.ts';
import {
  decodeModel,
  externalTensors,
  node,
  type TestModel,
  type TestType,
  TYPE_CODE,
  tensor,
  valueInfo,
  writeModel,
} from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let files = 0;
const fresh = (): string => join(root, `${files++}.onnx`);

const CHANNELS = 3;
const IMAGES = [16, CHANNELS, 5, 5];
const DIMS = ['n', CHANNELS, 5, 5];

/** As parametersOf has them. */
const expected = (output: string): Normalised => ({ output, scale: [0.5, 1, 1.5], bias: [-1, -0.5, 0] });

interface Kind {
  readonly model: TestModel;
  readonly dims?: readonly number[];
  readonly layers?: readonly Normalised[];
  readonly tolerance?: number;
}

/** Recalibrates on all images as one batch, then has onnxruntime normalise the same images. */
async function check({ model, dims = IMAGES, layers = [expected('y')], tolerance }: Kind): Promise<string> {
  const [path, out] = [writeModel(fresh(), model), fresh()];
  const images = imagesOf(1, dims);
  await assert.rejects(assertNormalised(path, images, layers, tolerance), /off by|times/);
  await recalibrateFile(path, out, images, { batch: dims[0] as number });
  await assertNormalised(out, images, layers, tolerance);
  return out;
}

for (let opset = 7; opset <= 26; opset++) {
  test(`opset ${opset}: statistics that normalise the images, in a file that onnxruntime takes`, async () => {
    await check({ model: oneLayer(DIMS, { opset, ir: opset < 9 ? 3 : opset > 24 ? 13 : 8 }) });
  });
}

const SHAPES: readonly (readonly number[])[] = [
  [64, CHANNELS],
  [16, CHANNELS, 9],
  [16, CHANNELS, 4, 3],
  [8, CHANNELS, 3, 2, 4],
];
for (const dims of SHAPES) {
  for (const opset of [17, 18]) {
    test(`features of rank ${dims.length}, opset ${opset}`, async () => {
      await check({ model: oneLayer(['n', ...dims.slice(1)], { opset }), dims });
    });
  }
}

/** Casts x to a type, normalises in it, and casts back. */
function typed(
  type: TestType,
  statistics: TestType,
  opset: number,
  toType = node('Cast', ['x'], ['x_c'], { to: TYPE_CODE[type] }),
): TestModel {
  const parameters = parametersOf('bn', CHANNELS).map((item, i) => ({ ...item, type: i < 2 ? type : statistics }));
  return oneLayer(DIMS, {
    opset,
    nodes: [toType, bnNode('bn', 'x_c', 'y_c'), node('Cast', ['y_c'], ['y'], { to: 1 })],
    initializers: parameters.map((item) => tensor(item)),
  });
}

/** The parameters reach the layer through other nodes. */
function behind(op: 'Identity' | 'Cast', hops: number, type: TestType = 'float32'): TestModel {
  const nodes = parametersOf('bn', CHANNELS).flatMap(({ name }) =>
    Array.from({ length: hops }, (_, i) =>
      node(op, [i === 0 ? name : `${name}/${i}`], [`${name}/${i + 1}`], op === 'Cast' ? { to: 1 } : {}),
    ),
  );
  return oneLayer(DIMS, {
    nodes: [...nodes, bnNode('bn', 'x', 'y', (name) => `${name}/${hops}`)],
    initializers: parametersOf('bn', CHANNELS, type).map((item) => tensor(item)),
  });
}

function constants(attribute: 'value' | 'value_floats'): TestModel {
  const held = parametersOf('bn', CHANNELS).map((item) =>
    node(
      'Constant',
      [],
      [item.name],
      attribute === 'value'
        ? { value: { tensor: tensor({ ...item, name: '' }) } }
        : { value_floats: { floats: item.values } },
    ),
  );
  return oneLayer(DIMS, { nodes: [...held, bnNode('bn', 'x', 'y')], initializers: [] });
}

const KINDS: Readonly<Record<string, Kind>> = {
  float_data: {
    model: oneLayer(DIMS, { initializers: parametersOf('bn', CHANNELS).map((item) => tensor(item, 'typed')) }),
  },
  'IR 3, every initializer an input': { model: oneLayer(DIMS, { ir: 3, opset: 8 }) },
  float16: { model: typed('float16', 'float16', 13), tolerance: 2e-2 },
  'float16 with float32 statistics': { model: typed('float16', 'float32', 15), tolerance: 2e-2 },
  // CastLike passes its second input's type on: a guess by the first is wrong.
  'float16 that looks like float32': {
    model: typed('float16', 'float32', 15, node('CastLike', ['x', 'bn.weight'], ['x_c'])),
    tolerance: 2e-2,
  },
  float64: { model: typed('float64', 'float64', 17) },
  'stored in bfloat16, cast': { model: behind('Cast', 1, 'bfloat16') },
  'behind Identity': { model: behind('Identity', 1) },
  'behind two Identity nodes': { model: behind('Identity', 2) },
  'Constant nodes': { model: constants('value') },
  'Constant nodes, value_floats': { model: constants('value_floats') },
};
for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name}: statistics that normalise the images`, async () => {
    await check(kind);
  });
}

/** Two layers in a row with Abs between (after Relu a channel of variance near epsilon would be left), both outputs of the graph, whose parameters `use` may merge. */
function twoLayers(use: (parameter: string) => string, more: Partial<TestModel> = {}): TestModel {
  const all = [...parametersOf('bn1', CHANNELS), ...parametersOf('bn2', CHANNELS)];
  return {
    nodes: [bnNode('bn1', 'x', 'y1', use), node('Abs', ['y1'], ['r']), bnNode('bn2', 'r', 'y2', use)],
    initializers: all.filter(({ name }) => all.some((other) => use(other.name) === name)).map((item) => tensor(item)),
    inputs: [valueInfo('x', DIMS)],
    outputs: ['y1', 'y2'].map((name) => valueInfo(name, DIMS)),
    ...more,
  };
}
const both = [expected('y1'), expected('y2')];
const SCALE = [0.5, 1, 1.5];
const SHARED: Readonly<Record<string, { use: (name: string) => string; layers?: readonly Normalised[] }>> = {
  'none shared': { use: (name) => name },
  'one mean for two layers': { use: (name) => (name === 'bn2.running_mean' ? 'bn1.running_mean' : name) },
  'all statistics of two layers': { use: (name) => name.replace(/^bn2\.running/, 'bn1.running') },
  'the mean is the bias': { use: (name) => name.replace('running_mean', 'bias') },
  'the variance is the scale': { use: (name) => name.replace('running_var', 'weight') },
  'mean with bias and variance with scale, of both layers': {
    use: (name) => `bn1.${/bias|mean/.test(name) ? 'bias' : 'weight'}`,
  },
  'one tensor for the mean and the variance': { use: (name) => name.replace('running_mean', 'running_var') },
  'one tensor for all eight': {
    use: () => 'bn1.weight',
    layers: ['y1', 'y2'].map((output) => ({ output, scale: SCALE, bias: SCALE })),
  },
};
for (const [name, { use, layers = both }] of Object.entries(SHARED)) {
  for (const ir of [3, 8]) {
    test(`parameters, ${name}, IR ${ir}: each layer gets its own statistics, every other use keeps its values`, async () => {
      const model = twoLayers(use, { ir, opset: 8 });
      const out = await check({ model, layers });
      const after = new Map((decodeModel(out).graph?.initializer ?? []).map((item) => [item.name, item.rawData]));
      for (const item of model.initializers ?? []) {
        const uses = PARAMETER_SUFFIXES.flatMap((suffix) =>
          ['bn1', 'bn2'].filter((layer) => use(`${layer}.${suffix}`) === item.name),
        );
        const same = Buffer.compare(after.get(item.name) ?? Buffer.alloc(0), item.rawData ?? Buffer.alloc(0)) === 0;
        if (uses.length > 1) assert.ok(same, `${item.name} is shared and was changed`);
      }
    });
  }
}

test('two layers on one input; a layer whose output feeds nothing is measured too', async () => {
  const nodes = [bnNode('bn1', 'x', 'y1'), bnNode('bn2', 'x', 'y2')];
  const model = twoLayers((name) => name, { nodes });
  await check({ model, layers: both });
  const path = writeModel(fresh(), { ...model, outputs: [valueInfo('y1', DIMS)] });
  const out = fresh();
  const { measured } = await recalibrateFile(path, out, imagesOf(1, IMAGES), { batch: 16 });
  assert.deepEqual(measured[1]?.statistics, measured[0]?.statistics);
  await assertNormalised(out, imagesOf(1, IMAGES), both.slice(0, 1));
});

test('a statistic that is a graph output too keeps its values there', async () => {
  const model = oneLayer(DIMS);
  const out = await check({
    model: { ...model, outputs: [...model.outputs, valueInfo('bn.running_mean', [CHANNELS])] },
  });
  const kept = decodeModel(out).graph?.initializer?.find(({ name }) => name === 'bn.running_mean');
  assert.deepEqual([...new Float32Array(new Uint8Array(kept?.rawData ?? []).buffer)], [7, 7.5, 8]);
});

for (const location of ['weights.bin', 'data/weights.bin']) {
  test(`external data in ${location}: the output needs no file of the input`, async () => {
    const name = location.replace('/', '-');
    const [folder, elsewhere] = [join(root, name), join(root, `${name}-moved`)];
    mkdirSync(join(folder, 'data'), { recursive: true });
    mkdirSync(elsewhere);
    const path = join(folder, 'in.onnx');
    const use = (parameter: string): string => (parameter === 'bn2.running_mean' ? 'bn1.running_mean' : parameter);
    const tensors = [...parametersOf('bn1', CHANNELS), ...parametersOf('bn2', CHANNELS)];
    const kept = tensors.filter((item) => use(item.name) === item.name);
    writeModel(path, twoLayers(use, { initializers: externalTensors(kept, path, () => location) }));
    const out = join(elsewhere, 'out.onnx');
    await recalibrateFile(path, out, imagesOf(1, IMAGES), { batch: 16 });
    renameSync(folder, `${folder}-gone`);
    assert.equal(readdirSync(elsewhere).length, 2);
    await assertNormalised(out, imagesOf(1, IMAGES), both);
  });
}
