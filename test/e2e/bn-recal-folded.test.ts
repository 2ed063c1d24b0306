/** `bn-recal` on files whose BatchNormalization was folded, lies in functions, or is out of reach. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { before, test } from 'node:test';
import ort from 'onnxruntime-node';
import { normals } from '../support/batchnorm.ts';
import { npyBytes } from '../support/dataset-files.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { foldBatchNorms } from '../support/fold-batchnorm.ts';
import { functionNetwork } from '../support/function-models.ts';
import { floatsOf, node, type TestModel, tensor, valueInfo, writeModel } from '../support/model-builder.ts';
import { BN_RECAL, type CliResult, runProgram } from '../support/run-cli.ts';
import { ON_CPU, TRANSFORM } from '../support/run-eval.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const at = (name: string): string => join(root, name);
const folded = at('folded.onnx');
const numbers = at('x.npy');
const TRAIN = ['--data', join(FASHION, 'train-2k-images-idx3-ubyte.gz'), '--rows', '0:64', ...TRANSFORM] as const;

/** The file as onnxruntime writes it, convolutions fused with what is behind them. */
async function optimized(level: 'extended' | 'all'): Promise<string> {
  const path = at(`${level}.onnx`);
  const session = await ort.InferenceSession.create(folded, {
    graphOptimizationLevel: level,
    optimizedModelFilePath: path,
    logSeverityLevel: 4,
  });
  await session.release();
  return path;
}

before(async () => {
  foldBatchNorms(SNAPSHOTS[0] as string, folded);
  const values = Float32Array.from(normals(5, 40 * 75));
  writeFileSync(numbers, npyBytes('<f4', '(40, 3, 5, 5)', new Uint8Array(values.buffer)));
  await optimized('extended');
  await optimized('all');
});

const bnRecal = (...args: readonly string[]): CliResult => runProgram(BN_RECAL, [...args, ...ON_CPU]);
interface Candidate {
  readonly name: string;
  readonly kind: string;
  readonly chosen: boolean;
  readonly reason: string;
}

test('--dry-run lists every layer with the reason, needs no data, and writes nothing', () => {
  const before = readdirSync(root);
  const text = runProgram(BN_RECAL, [folded, '--dry-run']);
  assert.equal(text.status, 0, text.stderr);
  assert.match(text.stdout, /^layer +operator +channels +recalibrated$/m);
  assert.match(text.stdout, /^conv1 +Conv +16 +yes, folded$/m);
  assert.match(text.stdout, /^fc +Gemm +10 +no$/m);
  assert.match(text.stdout, /^fc +it is the last layer/m);
  assert.match(text.stdout, /^9 of 10 layers are recalibrated$/m);
  const json = runProgram(BN_RECAL, [folded, '--dry-run', '--json', '--layers', 'layer2.*']);
  const { candidates } = JSON.parse(json.stdout) as { candidates: readonly Candidate[] };
  assert.deepEqual(
    candidates.filter(({ chosen }) => chosen).map(({ name }) => name),
    ['layer2.conv1', 'layer2.conv2', 'layer2.down.0'],
  );
  assert.deepEqual(readdirSync(root), before);
});

test('layers in functions: listed, and recalibrated to what the network without functions gets', () => {
  const steps = ['block', 'norm', 'twice'] as const;
  const [called, flat] = (['called', 'flat'] as const).map((form) => {
    const path = writeModel(at(`${form}.onnx`), functionNetwork(steps, form));
    const run = bnRecal(path, '--data', numbers, '--batch', '20', '--out', at(`${form}.out.onnx`), '--json');
    assert.equal(run.status, 0, run.stderr);
    const { layers } = JSON.parse(run.stdout) as { layers: readonly { layer: string }[] };
    return { path, names: layers.map(({ layer }) => layer), out: at(`${form}.out.onnx`) };
  });
  assert.deepEqual(called?.names, ['bn0', 'bn1', 'bn2.a', 'bn2.b']);
  assert.deepEqual(flat?.names, called.names);
  for (const name of called.names) {
    for (const what of ['running_mean', 'running_var'])
      assert.deepEqual(floatsOf(called.out, `${name}.${what}`), floatsOf(flat!.out, `${name}.${what}`));
  }
  const { stdout } = runProgram(BN_RECAL, [called.path, '--dry-run']);
  assert.match(stdout, /^bn2\.b +BatchNormalization +3 +yes, kept +its statistics are stored$/m);
});

/** A Loop around the only layer. */
const looped = (): TestModel => {
  const { nodes, initializers, inputs, outputs } = functionNetwork(['norm'], 'flat');
  const [norm] = nodes;
  const value = (name: string) => valueInfo(name, ['n', 3, 5, 5]);
  const body = {
    name: 'body',
    input: [valueInfo('i', [], 'int64'), valueInfo('go', [], 'bool'), value('state')],
    node: [
      node('Identity', ['go'], ['on']),
      { ...norm!, input: ['state', ...norm!.input!.slice(1)], output: ['next'] },
    ],
    output: [valueInfo('on', [], 'bool'), value('next')],
  };
  const trips = tensor({ name: 'trips', dims: [], values: [2], type: 'int64' });
  return {
    ...{ inputs, outputs, initializers: [...(initializers ?? []), trips] },
    nodes: [node('Loop', ['trips', '', 'x'], ['y'], { body: { graph: body } })],
  };
};

const REFUSED: Readonly<Record<string, readonly [args: () => string[], status: number, reason: RegExp]>> = {
  'a file that onnxruntime optimized (FusedConv)': [
    () => [at('extended.onnx'), ...TRAIN, '--size', '12', '--train-size', '20'],
    5,
    /optimized by onnxruntime.*Go back to the file as it was exported/s,
  ],
  'a file that onnxruntime optimized for one processor': [
    () => [at('all.onnx'), ...TRAIN, '--size', '12', '--train-size', '20'],
    5,
    /optimized by onnxruntime/,
  ],
  'a reference that is the target': [
    () => [folded, ...TRAIN, '--size', '20', '--train-size', '20'],
    2,
    /--reference-size.*--reference.*--ingredients/s,
  ],
  'a layer that is none': [
    () => [folded, ...TRAIN, '--size', '12', '--train-size', '20', '--layers', 'conv9'],
    2,
    /--layers conv9: fits no layer; there are conv1/,
  ],
  'a layer in a Loop': [
    () => [writeModel(at('looped.onnx'), looped()), '--data', numbers],
    5,
    /none of its 1 BatchNormalization layers can be recalibrated.*body of a Loop/s,
  ],
};
for (const [what, [args, status, reason]] of Object.entries(REFUSED)) {
  test(`${what}: exit code ${status} with the reason, and nothing is written`, () => {
    const line = args();
    const folder = at(`out-${basename(line[0] as string)}-${status}`);
    mkdirSync(folder, { recursive: true });
    const out = ['--out', join(folder, 'out.onnx'), '--csv', join(folder, 'out.csv')];
    const run = bnRecal(...line, ...out, '--report', join(folder, 'out.html'));
    assert.equal(run.status, status, run.stderr);
    assert.match(run.stderr, reason);
    assert.deepEqual(readdirSync(folder), []);
  });
}
