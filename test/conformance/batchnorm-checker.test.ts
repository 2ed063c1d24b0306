import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bnNode, imagesOf, oneLayer, parametersOf, recalibrateFile } from '../support/batchnorm.ts';
import { externalTensors, node, type TestModel, tensor, valueInfo, writeModel } from '../support/model-builder.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PYTHON = '/usr/bin/python3';
const CHECKER = fileURLToPath(new URL('../../../test/support/onnx-checker.py', import.meta.url));
const root = tempFolder();
const DIMS = ['n', 3, 5, 5];

/** Two layers whose parameters `use` may merge: recalibration has to add tensors. */
function shared(use: (name: string) => string, more: Partial<TestModel> = {}): TestModel {
  const all = [...parametersOf('bn1', 3), ...parametersOf('bn2', 3)];
  return {
    nodes: [bnNode('bn1', 'x', 'h', use), bnNode('bn2', 'h', 'y', use)],
    initializers: all.filter(({ name }) => use(name) === name).map((item) => tensor(item)),
    inputs: [valueInfo('x', DIMS)],
    outputs: [valueInfo('y', DIMS)],
    ...more,
  };
}
const oneMean = (name: string): string => (name === 'bn2.running_mean' ? 'bn1.running_mean' : name);
const identities = parametersOf('bn', 3).map(({ name }) => node('Identity', [name], [`${name}/1`]));

const FILES: Readonly<Record<string, (path: string) => TestModel>> = {
  'in place': () => oneLayer(DIMS),
  'typed fields': () => oneLayer(DIMS, { initializers: parametersOf('bn', 3).map((item) => tensor(item, 'typed')) }),
  'shared, IR 8': () => shared(oneMean),
  'shared, IR 3': () => shared((name) => name.replace('running_mean', 'bias'), { ir: 3, opset: 8 }),
  'behind Identity': () => oneLayer(DIMS, { nodes: [...identities, bnNode('bn', 'x', 'y', (name) => `${name}/1`)] }),
  'external data': (path) =>
    shared(oneMean, {
      initializers: externalTensors(
        [...parametersOf('bn1', 3), ...parametersOf('bn2', 3)].filter(({ name }) => oneMean(name) === name),
        path,
        () => 'weights.bin',
      ),
    }),
};

const found = spawnSync(PYTHON, ['-c', 'import onnx']);
test('onnx.checker accepts every recalibrated file', {
  skip: found.status === 0 ? false : 'python3 with onnx is not there',
}, async () => {
  const outs: string[] = [];
  for (const [name, build] of Object.entries(FILES)) {
    const [path, out] = ['', '-out'].map((suffix) => join(root, `${name.replaceAll(/[ ,]+/g, '-')}${suffix}.onnx`)) as [
      string,
      string,
    ];
    writeModel(path, build(path));
    await recalibrateFile(path, out, imagesOf(1, [16, 3, 5, 5]));
    outs.push(out);
  }
  const { stdout, stderr } = spawnSync(PYTHON, [CHECKER, ...outs], { encoding: 'utf8' });
  assert.deepEqual(
    stdout.trim().split('\n'),
    outs.map(() => 'ok'),
    stderr,
  );
});
