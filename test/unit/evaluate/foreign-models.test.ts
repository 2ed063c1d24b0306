/** Models and data as other tools write them: what must be read, and what must be refused by name. */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import proto from 'onnx-proto';
import sharp from 'sharp';
import { averageCheckpoints, evaluate, recalibrate } from '../../../src/index.ts';
import { bnNode } from '../../support/batchnorm.ts';
import { writeTree } from '../../support/dataset-files.ts';
import { decodeModel, node, type TestModel, tensor, valueInfo, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const WILD = fileURLToPath(new URL('../../../../fixtures/wild', import.meta.url));
const root = tempFolder();
const SIDE = 8;
/** Red, green and blue pictures with some grain, so that statistics can be measured on them. */
const COLOURS = [
  [200, 30, 30],
  [30, 200, 30],
  [30, 30, 200],
] as const;

async function picture(colour: readonly number[], grain: number): Promise<Uint8Array> {
  const data = Uint8Array.from(
    { length: SIDE * SIDE * 3 },
    (_, i) => (colour[i % 3] as number) + ((i * 7 + grain) % 20),
  );
  return sharp(data, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toBuffer();
}

async function colourFolders(names: readonly string[], copies = 3): Promise<string> {
  const files: [string, Uint8Array][] = [];
  for (const [k, name] of names.entries())
    for (let i = 0; i < copies; i++) files.push([`${name}/${i}.png`, await picture(COLOURS[k] ?? [], 5 * i)]);
  return writeTree(join(root, `data-${names.join('-')}`), Object.fromEntries(files));
}

const CPU = { device: 'cpu', threads: 1, workers: 1 } as const;
const HOW = { ...CPU, transform: { preset: 'none', size: SIDE } } as const;
const top1 = async (
  model: string,
  source: string,
  more: Partial<Parameters<typeof evaluate>[0]> = {},
  classes?: string,
) => (await evaluate({ ...HOW, models: [model], data: { source, classes }, ...more })).models[0]?.metrics.top1;

/** The brightest channel, as a network; more than that is what other tools add. */
function brightest(more: Partial<TestModel> = {}): TestModel {
  return {
    nodes: [node('GlobalAveragePool', ['x'], ['p']), node('Flatten', ['p'], ['y'])],
    inputs: [valueInfo('x', ['n', 3, 'h', 'w'])],
    outputs: [valueInfo('y', ['n', 3])],
    ...more,
  };
}

test('only the output that is asked for must be a tensor', async () => {
  const source = await colourFolders(['a', 'b', 'c']);
  const options = {
    output: 'model_output',
    transform: { ...HOW.transform, color: 'bgr', mean: [0], std: [1 / 255] },
  } as const;
  assert.equal(await top1(join(WILD, 'zipmap.onnx'), source, options), 1);
});

test('a background class is refused by the count, and right with a list of names in whatever line ends', async () => {
  const source = await colourFolders(['red', 'green', 'blue']);
  const model = writeModel(
    join(root, 'background.onnx'),
    brightest({
      nodes: [
        node('GlobalAveragePool', ['x'], ['p']),
        node('Flatten', ['p'], ['f']),
        node('Pad', ['f', 'before'], ['y']),
      ],
      initializers: [tensor({ name: 'before', dims: [4], values: [0, 1, 0, 0], type: 'int64' })],
      outputs: [valueInfo('y', ['n', 4])],
    }),
  );
  await assert.rejects(top1(model, source), { code: 'MISMATCH_VALUE', message: /4 classes/, hint: /`classes` FILE/ });
  const names = join(root, 'names.txt');
  writeFileSync(names, '\ufeffbackground\r\nred\r\ngreen\r\nblue\r\n\r\n');
  assert.equal(await top1(model, source, {}, names), 1);
});

test('exports that differ in symbolic dims, node names, doc strings and producer are averaged', async () => {
  const paths = ['s0', 's77'].map((batch, i) => {
    const weight = tensor({ name: 'w', dims: [3, 3], values: Array.from({ length: 9 }, (_, k) => k + 2 * i) });
    const path = writeModel(
      join(root, `dynamo-${i}.onnx`),
      brightest({
        nodes: [
          node('GlobalAveragePool', ['x'], ['p']),
          node('Flatten', ['p'], ['f']),
          node('MatMul', ['f', 'w'], ['y']),
        ],
        initializers: [weight],
        inputs: [valueInfo('x', [batch, 3, 'h', 'w'])],
        outputs: [valueInfo('y', [batch, 3])],
      }),
    );
    return rewrite(path, (model) => {
      model.producerVersion = `2.${i}`;
      for (const one of model.graph?.node ?? []) Object.assign(one, { name: `n${i}`, docString: `line ${i}` });
    });
  });
  const out = join(root, 'dynamo.onnx');
  await averageCheckpoints({ inputs: paths, out });
  const [weight] = decodeModel(out).graph?.initializer ?? [];
  const values = new Float32Array(new Uint8Array(weight?.rawData ?? []).buffer);
  assert.deepEqual([...values], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('an input that has a default value needs no feeding; a name that two values have is refused by the session', async () => {
  const source = await colourFolders(['blue', 'green', 'red'].toReversed());
  const flag = brightest({
    nodes: [node('Mul', ['x', 'flag'], ['m']), node('GlobalAveragePool', ['m'], ['p']), node('Flatten', ['p'], ['y'])],
    initializers: [tensor({ name: 'flag', dims: [], values: [1] })],
    inputs: [valueInfo('x', ['n', 3, 'h', 'w']), valueInfo('flag', [])],
  });
  const names = join(root, 'rgb.txt');
  writeFileSync(names, 'red\ngreen\nblue\n');
  assert.equal(await top1(writeModel(join(root, 'flag.onnx'), flag), source, {}, names), 1);
  const collision = brightest({ initializers: [tensor({ name: 'p', dims: [1], values: [0] })] });
  await assert.rejects(top1(writeModel(join(root, 'collision.onnx'), collision), source, {}, names), {
    code: 'UNSUPPORTED_GRAPH',
  });
});

test("tf2onnx's form: pictures as NHWC, transposed, a mean over places, MatMul, Add and Softmax", async () => {
  const source = await colourFolders(['red', 'green', 'blue']);
  const names = join(root, 'rgb2.txt');
  writeFileSync(names, 'red\ngreen\nblue\n');
  const identity = [9, 0, 0, 0, 9, 0, 0, 0, 9];
  const model = writeModel(join(root, 'keras.onnx'), {
    opset: 13,
    nodes: [
      node('Transpose', ['x'], ['t'], { perm: [0, 3, 1, 2] }),
      node('ReduceMean', ['t'], ['p'], { axes: [2, 3], keepdims: 0 }),
      node('MatMul', ['p', 'kernel'], ['m']),
      node('Add', ['m', 'bias'], ['z']),
      node('Softmax', ['z'], ['y']),
    ],
    initializers: [
      tensor({ name: 'kernel', dims: [3, 3], values: identity }),
      tensor({ name: 'bias', dims: [3], values: [0, 0, 0] }),
    ],
    inputs: [valueInfo('x', ['n', SIDE, SIDE, 3])],
    outputs: [valueInfo('y', ['n', 3])],
  });
  assert.equal(await top1(model, source, {}, names), 1);
});

test('statistics that a conversion lost are measured again: from chance to right, and written', async () => {
  const source = await colourFolders(['red', 'green', 'blue'], 12);
  const classes = join(root, 'rgb3.txt');
  writeFileSync(classes, 'red\ngreen\nblue\n');
  const vector = (name: string, value: number) => tensor({ name, dims: [3], values: [value, value, value] });
  const bound = (name: string, value: number) => tensor({ name, dims: [], values: [value] });
  // Divided by nothing, every value is above the bound: all classes are equal.
  const model = writeModel(
    join(root, 'lost.onnx'),
    brightest({
      nodes: [
        bnNode('bn', 'x', 'n'),
        node('Clip', ['n', 'low', 'high'], ['c']),
        node('GlobalAveragePool', ['c'], ['p']),
        node('Flatten', ['p'], ['y']),
      ],
      initializers: [
        ...[vector('bn.weight', 1), vector('bn.bias', 0), vector('bn.running_mean', 0), vector('bn.running_var', 0)],
        ...[bound('low', -1), bound('high', 1)],
      ],
    }),
  );
  const data = { source, classes };
  const { result } = await recalibrate({ ...HOW, model, data, val: data, out: join(root, 'found.onnx') });
  assert.deepEqual([result?.guard?.before, result?.guard?.after, result?.guard?.better], [1 / 3, 1, true]);
  assert.ok(result?.written);
});

test('a truncated GIF that claims many pixels is an image that cannot be read: named, or left out and listed', async () => {
  const folder = await colourFolders(['red', 'green', 'blue'], 2);
  copyFileSync(join(WILD, 'truncated.gif'), join(folder, 'broken.gif'));
  const source = join(folder, 'all.csv');
  const good = ['red', 'green', 'blue'].flatMap((name, k) => [0, 1].map((i) => `${name}/${i}.png,${k}`));
  writeFileSync(source, ['path,label', ...good, 'broken.gif,0'].join('\n'));
  const model = writeModel(join(root, 'plain.onnx'), brightest());
  const error = await top1(model, source).catch((thrown: unknown) => thrown);
  assert.match(String(error), /broken\.gif/);
  assert.equal((error as { exitCode?: number }).exitCode, 4);
  const skipped = await evaluate({ ...HOW, models: [model], data: { source }, onBadImage: 'skip' });
  assert.equal(skipped.models[0]?.metrics.top1, 1);
  assert.match(skipped.badImages[0]?.key ?? '', /broken\.gif/);
});

/** Changes a file's model by a foreign writer. */
function rewrite(path: string, change: (model: proto.onnx.IModelProto) => void): string {
  const model = decodeModel(path);
  change(model);
  writeFileSync(path, proto.onnx.ModelProto.encode(model).finish());
  return path;
}
