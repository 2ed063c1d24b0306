/** Networks that keep some of their BatchNormalization, and files that onnxruntime wrote. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseLayers, findLayers, layerCandidates } from '../../../../src/batchnorm/index.ts';
import { applyEdits, decodeFloats, readPayload } from '../../../../src/onnx/index.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import { bnNode, imagesOf, measureFile, normals, parametersOf } from '../../../support/batchnorm.ts';
import { node, type TestModel, tensor, valueInfo } from '../../../support/model-builder.ts';
import { openTest, recalibrateFolded, worstOff } from '../../../support/recalibrate-folded.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const conv = (k: number, channels: number) => [
  { name: `w${k}`, dims: [4, channels, 3, 3], values: normals(k + 1, 4 * channels * 9, 0, 0.3) },
  { name: `w${k}_bias`, dims: [4], values: normals(k + 9, 4) },
];
const pads = { pads: [1, 1, 1, 1] };

/** A dense block, exported folded: what stands behind Concat stays. */
const dense: TestModel = {
  nodes: [
    node('Conv', ['x', 'w0', 'w0_bias'], ['c0'], pads),
    node('Relu', ['c0'], ['r0']),
    node('Conv', ['r0', 'w1', 'w1_bias'], ['c1'], pads),
    node('Concat', ['r0', 'c1'], ['both'], { axis: 1 }),
    bnNode('bn', 'both', 'n'),
    node('Relu', ['n'], ['r']),
    node('Conv', ['r', 'w2', 'w2_bias'], ['c2'], pads),
    node('Relu', ['c2'], ['r2']),
    node('GlobalAveragePool', ['r2'], ['p']),
    node('Flatten', ['p'], ['f']),
    node('MatMul', ['f', 'head'], ['y']),
  ],
  initializers: [
    ...[...conv(0, 3), ...conv(1, 4), ...conv(2, 8), ...parametersOf('bn', 8)],
    { name: 'head', dims: [4, 2], values: [1, 2, 3, 4, 5, 6, 7, 8] },
  ].map((item) => tensor(item)),
  inputs: [valueInfo('x', ['n', 3, 6, 6])],
  outputs: [valueInfo('y', ['n', 2])],
};

test('what a folded network keeps gets its statistics, behind and before layers that get their moments back', async () => {
  const [reference, images] = [imagesOf(1, [40, 3, 6, 6]), imagesOf(2, [40, 3, 6, 6])];
  const target = { ...images, data: (images.data as Float32Array).map((value, i) => 0.4 * value + (i % 5) / 3 + 1) };
  const model = openTest(dense);
  const chosen = chooseLayers(model, []);
  assert.deepEqual([chosen.kept.length, chosen.folded.length], [1, 3]);
  assert.match(chosen.notes.join(), /3 layers that .* folded into, and 1 that are kept/);
  const run = await recalibrateFolded(model, reference, target);
  assert.ok(worstOff(run) < 1e-3, `${worstOff(run)}`);
  const path = join(root, 'dense.onnx');
  writeFileSync(path, applyEdits(run.model, []));
  const [layer] = findLayers(run.model).layers;
  const stored = [layer!.mean, layer!.variance].map(({ tensor: one }) =>
    decodeFloats(readPayload(run.model, one), 1, 'bn'),
  );
  const [measured] = await measureFile(path, target, { batch: 40 });
  const { mean, variance } = measured!.statistics;
  stored[0]?.forEach((value, c) => {
    assert.ok(Math.abs(value - mean[c]!) < 1e-4 * Math.sqrt(variance[c]!), `mean of channel ${c}`);
    assert.ok(Math.abs(stored[1]![c]! / variance[c]! - 1) < 1e-4, `variance of channel ${c}`);
  });
});

/** The first convolution as an operator that nothing can be folded into. */
const replaced = (opType: string, domain: string): TestModel => ({
  ...dense,
  nodes: dense.nodes.map((one, i) => (i === 0 ? { ...one, opType, ...(domain ? { domain } : {}) } : one)),
});
for (const [opType, domain, reason] of [
  ['FusedConv', 'com.microsoft', /onnxruntime wrote it when it optimized the file, its activation is a part/],
  ['Conv', 'com.microsoft.nchwc', /for one kind of processor/],
  ['QLinearConv', '', /codes alone/],
  ['ConvInteger', '', /codes alone/],
] as const) {
  test(`${domain} ${opType} is left with the reason, refused where it is named, and the others are served`, () => {
    const model = openTest(replaced(opType, domain));
    const [first] = layerCandidates(model).filter(({ kind, operator }) => kind === 'folded' && operator === opType);
    assert.equal(first?.chosen, false);
    assert.match(first.reason, reason);
    const chosen = chooseLayers(model, []);
    assert.equal(chosen.folded.length, 2);
    assert.match(chosen.notes.join(), reason);
    const { message, exitCode } = assertFails(() => chooseLayers(model, [first.name]), 'UNSUPPORTED_GRAPH');
    assert.match(message, reason);
    assert.equal(exitCode, 5);
    model.close();
  });
}
