import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints, planAverage, verifyAverage } from '../../../../src/average/index.ts';
import { openModel, tensorsOfModel } from '../../../../src/onnx/index.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import {
  externalTensors,
  floatsOf,
  node,
  rawOf,
  type TestModel,
  tensor,
  valueInfo,
  writeModel,
} from '../../../support/model-builder.ts';
import { numbers, type StateValue, stateFile } from '../../../support/state-tables.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const EXPORTS = 'fixtures/exports';
let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

/** Every stored tensor of a model, in the order of the file, as bytes. */
function payloads(path: string): string[] {
  const model = openModel(path);
  try {
    return [...tensorsOfModel(model.record)].map(({ payload, name }) => {
      if (payload.kind === 'external') {
        const source = model.external(payload.location);
        const bytes = new Uint8Array(payload.length ?? source.size);
        source.readInto(bytes, payload.offset);
        return `${name} ${Buffer.from(bytes).toString('hex')}`;
      }
      if (payload.kind !== 'raw') return name;
      const bytes = new Uint8Array(payload.end - payload.start);
      model.source.readInto(bytes, payload.start);
      return `${name} ${Buffer.from(bytes).toString('hex')}`;
    });
  } finally {
    model.close();
  }
}

for (const network of ['mobile', 'dense', 'joined']) {
  test(`the average of ${network}'s checkpoints in an export is the export of their average, to the bit, and verified`, async () => {
    const out = join(fresh(), 'swa.onnx');
    const folder = join(EXPORTS, network);
    const inputs = [0, 1].map((epoch) => join(folder, `epoch_${epoch}.safetensors`));
    const { outputs } = await averageCheckpoints({ inputs, template: join(folder, 'dynamo.onnx'), out });
    assert.deepEqual(payloads(out), payloads(join(folder, 'dynamo-mean.onnx')));
    assert.equal(outputs[0]?.template_file?.file, 'dynamo.onnx');
    assert.equal(outputs[0]?.template_of?.file, 'epoch_1.safetensors');
    assert.equal(outputs[0]?.map?.within_rounding, 0);
    assert.deepEqual(await verifyAverage({ file: out, inputs: [folder] }), { file: out, ok: true, findings: [] });
  });
}

test('several averages go into several copies, each verified, and a changed byte of the output or of the template is found', async () => {
  const outDir = join(fresh(), 'averages');
  const folder = fresh();
  for (const file of ['epoch_0.safetensors', 'epoch_1.safetensors', 'legacy.onnx'])
    copyFileSync(join(EXPORTS, 'mobile', file), join(folder, file));
  const { outputs } = await averageCheckpoints({
    inputs: [folder],
    pattern: '*.safetensors',
    decay: [0.5, 0.9],
    template: join(folder, 'legacy.onnx'),
    outDir,
  });
  assert.equal(outputs.length, 2);
  for (const { path } of outputs) assert.equal((await verifyAverage({ file: path, inputs: [folder] })).ok, true);
  const path = outputs[0]?.path ?? '';
  const flip = (file: string): void => {
    const bytes = readFileSync(file);
    bytes[bytes.indexOf(rawOf(file, 'head.weight')) + 9]! ^= 1;
    writeFileSync(file, bytes);
  };
  flip(path);
  assert.match(
    (await verifyAverage({ file: path, inputs: [folder] })).findings.join(),
    /differs from the recomputed average at byte/,
  );
  flip(join(folder, 'legacy.onnx'));
  assert.match(
    (await verifyAverage({ file: outputs[1]!.path, inputs: [folder] })).findings.join(),
    /is not the legacy\.onnx that was averaged/,
  );
});

test('a dry run shows what every tensor of the template follows from', async () => {
  const folder = join(EXPORTS, 'attention');
  const inputs = [0, 1].map((epoch) => join(folder, `epoch_${epoch}.safetensors`));
  const { map = [] } = await planAverage({ inputs, template: join(folder, 'dynamo.onnx') });
  const lines = map.map(({ expression }) => expression);
  assert.ok(lines.includes('cls + pos[0: 16 of 272]'), lines.join('\n'));
  assert.ok(map.every(({ exact }) => exact));
});

const LAYERS = {
  w: { dims: [6, 5], values: numbers(30, 1) },
  b: { dims: [6], values: numbers(6, 2) },
  'n.weight': { dims: [6], values: numbers(6, 3) },
} satisfies Record<string, StateValue>;
const other = (seed: number) =>
  Object.fromEntries(
    Object.entries(LAYERS).map(([key, { dims, values }], i) => [
      key,
      { dims, values: numbers(values.length, seed + i) },
    ]),
  );

/** A linear layer whose weight is stored transposed beside the model, and its other tensors in it: as a list of floats, and in a Constant. */
function linear(path: string): string {
  const { w, b, 'n.weight': n } = LAYERS;
  const turned = Array.from({ length: 30 }, (_, i) => w.values[(i % 6) * 5 + Math.floor(i / 6)]!);
  const model: TestModel = {
    nodes: [
      node('Constant', [], ['n'], { value: { tensor: tensor({ name: '', dims: [6], values: n.values }) } }),
      node('MatMul', ['x', 'w'], ['y']),
      node('Add', ['y', 'b'], ['z']),
      node('Mul', ['z', 'n'], ['out']),
    ],
    initializers: [
      ...externalTensors([{ name: 'w', dims: [5, 6], values: turned }], path, () => 'linear.data'),
      tensor({ name: 'b', dims: [6], values: b.values }, 'typed'),
      tensor({ name: 'unread', dims: [2], values: [7, 8] }),
    ],
    inputs: [valueInfo('x', [1, 5])],
    outputs: [valueInfo('out', [1, 6])],
  };
  return writeModel(path, model);
}

test('values go where the template keeps them: beside it, in lists, in Constant nodes; what is no weight stays', async () => {
  const folder = fresh();
  stateFile(join(folder, 'epoch_1.safetensors'), LAYERS);
  const first = other(50);
  stateFile(join(folder, 'epoch_0.safetensors'), first);
  const template = linear(join(folder, 'linear.onnx'));
  const out = join(folder, 'swa.onnx');
  const { outputs } = await averageCheckpoints({ inputs: [folder], pattern: '*.safetensors', template, out });
  const mean = (key: keyof typeof LAYERS, i: number): number =>
    Math.fround((LAYERS[key].values[i]! + first[key]!.values[i]!) / 2);
  assert.deepEqual(
    [...floatsOf(out, 'b')],
    LAYERS.b.values.map((_, i) => mean('b', i)),
  );
  assert.deepEqual([...floatsOf(out, 'unread')], [7, 8]);
  const data = new Float32Array(new Uint8Array(readFileSync(outputs[0]!.data!.path)).buffer, 0, 30);
  assert.deepEqual(
    [...data],
    Array.from({ length: 30 }, (_, i) => mean('w', (i % 6) * 5 + Math.floor(i / 6))),
  );
  assert.deepEqual(outputs[0]!.map?.tensors, { copy: 3, constant: 1 });
  assert.equal(rawOf(template, 'unread').equals(rawOf(out, 'unread')), true);
  assert.equal((await verifyAverage({ file: out })).ok, true);
});

test('the checkpoint of a template need not be averaged: it is found among the others, or named', async () => {
  const folder = fresh();
  stateFile(join(folder, 'epoch_1.safetensors'), LAYERS);
  for (const epoch of [2, 3]) stateFile(join(folder, `epoch_${epoch}.safetensors`), other(epoch * 10));
  const template = linear(join(folder, 'linear.onnx'));
  const inputs = [1, 2, 3].map((epoch) => join(folder, `epoch_${epoch}.safetensors`));
  const found = await averageCheckpoints({ inputs, last: [2], template, out: join(folder, 'a.onnx') });
  const named = await averageCheckpoints({
    inputs: inputs.slice(1),
    template,
    templateOf: inputs[0],
    out: join(folder, 'b.onnx'),
  });
  assert.equal(found.outputs[0]?.template_of?.sha256, named.outputs[0]?.template_of?.sha256);
  assert.deepEqual(payloads(join(folder, 'a.onnx')).slice(1), payloads(join(folder, 'b.onnx')).slice(1));
  for (const file of ['a.onnx', 'b.onnx']) assert.equal((await verifyAverage({ file: join(folder, file) })).ok, true);
  await expectFailure('MISMATCH_TENSOR', [/is no export of any of 2 state dicts/, /nearest to/], () =>
    averageCheckpoints({ inputs: inputs.slice(1), template, out: join(folder, 'c.onnx') }),
  );
});

test('a module around the network changes no names; other networks are refused by the names of what does not fit', async () => {
  const folder = fresh();
  stateFile(join(folder, 'epoch_1.safetensors'), LAYERS);
  const template = linear(join(folder, 'linear.onnx'));
  const of = { template, templateOf: join(folder, 'epoch_1.safetensors') };
  const wrapped = (seed: number) =>
    Object.fromEntries(Object.entries(other(seed)).map(([key, value]) => [`net.${key}`, value]));
  const inputs = [2, 3].map((epoch) => join(folder, `wrapped_${epoch}.safetensors`));
  for (const [i, path] of inputs.entries()) stateFile(path, wrapped(10 * i + 20));
  const out = join(folder, 'swa.onnx');
  await averageCheckpoints({ inputs, ...of, out });
  assert.deepEqual(floatsOf(out, 'b')[0], Math.fround((other(20).b!.values[0]! + other(30).b!.values[0]!) / 2));
  assert.equal((await verifyAverage({ file: out })).ok, true);
  const wide = join(folder, 'wide.safetensors');
  stateFile(wide, {
    ...LAYERS,
    b: { dims: [7], values: numbers(7, 1) },
    'n.weight': { dims: [2, 3], values: numbers(6, 2) },
  });
  await expectFailure(
    'MISMATCH_TENSOR',
    [/b is F32 \[7\], expected \[6\]; .*n\.weight is F32 \[2,3\]|n\.weight is .*b is/s],
    () => averageCheckpoints({ inputs: [wide], ...of, out: join(folder, 'no.onnx') }),
  );
});

test('outputs are called as what they are, and a template is for checkpoints', async () => {
  const folder = fresh();
  stateFile(join(folder, 'epoch_1.safetensors'), LAYERS);
  const template = linear(join(folder, 'linear.onnx'));
  const inputs = [join(folder, 'epoch_1.safetensors')];
  await expectFailure('USAGE', [/is an \.onnx file/], () =>
    averageCheckpoints({ inputs, template, out: join(folder, 'a.safetensors') }),
  );
  await expectFailure('USAGE', [/is a \.safetensors file/, /`template`/], () =>
    averageCheckpoints({ inputs, out: join(folder, 'a.onnx') }),
  );
  await expectFailure('USAGE', [/`template` is for training checkpoints/], () =>
    averageCheckpoints({ inputs: [template], template, out: join(folder, 'a.onnx') }),
  );
});
