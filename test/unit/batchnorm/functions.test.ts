import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type FoundLayers, findLayers } from '../../../src/batchnorm/index.ts';
import { combineMoments, momentsOfBatch, populationVariance } from '../../../src/core/index.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { imagesOf, measureFile, recalibrateFile } from '../../support/batchnorm.ts';
import { FUNCTION_DIMS, functionNetwork, type Step } from '../../support/function-models.ts';
import { decodeModel, node, type TestModel, valueInfo, writeModel } from '../../support/model-builder.ts';
import { runModel } from '../../support/run-model.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let files = 0;
const write = (model: TestModel): string => writeModel(join(root, `${files++}.onnx`), model);
const images = imagesOf(21, [12, 3, 5, 5]);
const feeds = { x: { values: Array.from(images.data as Float32Array), dims: images.dims } };

function find(model: TestModel): FoundLayers {
  const opened = openModel(write(model));
  try {
    return findLayers(opened);
  } finally {
    opened.close();
  }
}

const STEPS: readonly (readonly Step[])[] = [
  ['norm'],
  ['block', 'norm', 'block'],
  ['twice', 'optional'],
  ['handedOn', 'branching', 'block'],
];
for (const method of ['batch', 'sequential'] as const) {
  for (const steps of STEPS) {
    test(`layers in functions (${steps.join(', ')}; ${method}) get the bits that they get without functions`, async () => {
      const [called, flat] = await Promise.all(
        (['called', 'flat'] as const).map(async (form) => {
          const path = write(functionNetwork(steps, form));
          const out = `${path}.out.onnx`;
          const made = await recalibrateFile(path, out, images, { method });
          return { ...made, values: await runModel(out, feeds) };
        }),
      );
      assert.deepEqual(called?.reports, flat?.reports);
      assert.deepEqual(called?.values, flat?.values);
    });
  }
}

test('what calls hand in is a layer of each call; what a body stores is one layer, in place there', async () => {
  const model = functionNetwork(['shared', 'norm', 'shared', 'twice'], 'called');
  const { layers, skipped } = find(model);
  assert.deepEqual(skipped, []);
  assert.deepEqual(
    layers.map(({ name, level }) => [name, level]),
    [
      ['Shared//n', 0],
      ['bn1', 1],
      ['bn3.a', 3],
      ['bn3.b', 4],
    ],
  );
  const path = write(model);
  const { measured } = await recalibrateFile(path, `${path}.out.onnx`, images);
  const flat = await measureFile(write(functionNetwork(['shared', 'norm', 'shared', 'twice'], 'flat')), images);
  const [first, second] = [0, 2].map((k) => {
    const { statistics, count } = flat[k] as (typeof flat)[number];
    return momentsOfBatch(count, statistics.mean, statistics.variance);
  });
  const both = combineMoments(first!, second!);
  const shared = decodeModel(`${path}.out.onnx`).functions?.find(({ name }) => name === 'Shared');
  const stored = (output: string): number[] => {
    const bytes = shared?.node?.find((one) => one.output?.[0] === output)?.attribute?.[0]?.t?.rawData;
    return Array.from(new Float32Array(new Uint8Array(bytes ?? []).buffer));
  };
  assert.deepEqual(stored('m'), Array.from(both.mean, Math.fround));
  assert.deepEqual(stored('v'), Array.from(populationVariance(both), Math.fround));
  assert.equal(measured.find(({ layer }) => layer.source?.name === 'Shared//n')?.count, 2 * 12 * 25);
});

test("torch's estimator takes the calls that share statistics for as many batches", async () => {
  const [own, one, other] = await Promise.all([
    measureFile(write(functionNetwork(['shared', 'shared'], 'called')), images, { estimator: 'torch' }),
    measureFile(write(functionNetwork(['shared', 'shared'], 'flat')), images, { estimator: 'torch' }),
    measureFile(write(functionNetwork(['shared', 'shared'], 'flat')), images, { estimator: 'torch' }),
  ]);
  const [a, b] = [one[0]!.statistics, other[1]!.statistics];
  assert.deepEqual(
    own[0]?.statistics.mean,
    a.mean.map((value, c) => (value + b.mean[c]!) / 2),
  );
  assert.deepEqual(
    own[1]?.statistics.variance,
    a.variance.map((value, c) => (value + b.variance[c]!) / 2),
  );
});

test('level by level: calls that share statistics at several depths are refused by name, in parallel they are served', async () => {
  const chain = write(functionNetwork(['shared', 'shared'], 'called'));
  await assert.rejects(measureFile(chain, images, { method: 'sequential' }), {
    code: 'UNSUPPORTED_GRAPH',
    message: /Shared.*depths 0 and 1/,
    hint: /`method` batch/,
  });
  const base = functionNetwork(['shared', 'norm'], 'called');
  const twins = write({
    ...base,
    nodes: [
      node('Shared', ['x'], ['p'], {}, 'test'),
      node('Neg', ['x'], ['minus']),
      node('Shared', ['minus'], ['q'], {}, 'test'),
      node('Add', ['p', 'q'], ['y0']),
      ...base.nodes.slice(1),
    ],
  });
  const measured = await measureFile(twins, images, { method: 'sequential' });
  assert.equal(measured[0]?.layer.source, measured[1]?.layer.source);
  assert.ok(
    measured[0]?.statistics.mean.every((value) => Math.abs(value) < 1e-6),
    'of x and -x together',
  );
});

test('one initializer handed to two calls: each gets its own, and the first is left as it is', async () => {
  const base = functionNetwork(['norm', 'norm'], 'called');
  const names = base.nodes[0]?.input?.slice(1) ?? [];
  const path = write({
    ...base,
    nodes: base.nodes.map((one) => ({ ...one, input: [one.input?.[0] ?? '', ...names] })),
  });
  const { reports } = await recalibrateFile(path, `${path}.out.onnx`, images);
  assert.equal(reports.length, 2);
  const { graph } = decodeModel(`${path}.out.onnx`);
  const [first, second] = (graph?.node ?? []).map(({ input }) => input?.[3]);
  assert.ok(first !== second && first !== names[2], `${first}, ${second}`);
  const before = decodeModel(path).graph?.initializer?.find(({ name }) => name === names[2]);
  const after = graph?.initializer?.find(({ name }) => name === names[2]);
  assert.deepEqual(Buffer.from(after?.rawData ?? []), Buffer.from(before?.rawData ?? []));
});

const base = functionNetwork(['norm', 'block'], 'called');
const inLoop = functionNetwork(['norm', 'norm'], 'flat');
const [outer, inner] = inLoop.nodes;
const loop = node('Loop', ['trips', '', 'y0'], ['y'], {
  body: {
    graph: {
      name: 'body',
      input: [valueInfo('i', [], 'int64'), valueInfo('go', [], 'bool'), valueInfo('state', FUNCTION_DIMS)],
      node: [
        node('Identity', ['go'], ['on']),
        { ...inner!, input: ['state', ...(inner?.input?.slice(1) ?? [])], output: ['next'] },
      ],
      output: [valueInfo('on', [], 'bool'), valueInfo('next', FUNCTION_DIMS)],
    },
  },
});
const calling = (name: string, inputs: readonly string[]) =>
  node(name, inputs, ['r'], { eps: { float: 1e-3 } }, 'test');
const branch = (name: string, nodes: TestModel['nodes'], output: string) => ({
  graph: { name, node: [...nodes], output: [valueInfo(output, FUNCTION_DIMS)] },
});
const change = (name: string, more: (one: NonNullable<TestModel['functions']>[number]) => object): TestModel => ({
  ...base,
  functions: (base.functions ?? []).map((one) => (one.name === name ? { ...one, ...more(one) } : one)),
});
const REFUSED: Readonly<Record<string, readonly [model: TestModel, layers: readonly string[], reason: RegExp]>> = {
  'the body of a Loop': [
    { ...inLoop, nodes: [outer!, loop], inputs: [...inLoop.inputs, valueInfo('trips', [], 'int64')] },
    ['bn0'],
    /body of a Loop, which runs any number of times/,
  ],
  'a function of another opset': [
    change('Block', () => ({ opsetImport: [{ domain: '', version: 16 }] })),
    ['bn0'],
    /a function of opset 16, the model of 17/,
  ],
  'a function that calls itself': [
    change('Block', (one) => ({
      node: [...(one.node ?? []), { ...one.node?.[1], opType: 'Block', output: ['again'] }],
    })),
    ['bn0'],
    /a function that calls itself/,
  ],
  'statistics that the body reads twice': [
    change('Block', (one) => ({ node: [...(one.node ?? []), node('Neg', ['m'], ['minus'])] })),
    ['bn0'],
    /function Block reads its statistics for something else/,
  ],
  'statistics that the body computes': [
    change('Norm', (one) => ({
      node: [
        node('Neg', ['m'], ['k']),
        ...(one.node ?? []).map((own) => ({ ...own, input: ['x', 's', 'b', 'k', 'v'] })),
      ],
    })),
    [],
    /function Norm computes its statistics/,
  ],
  'a function that a subgraph calls': [
    {
      ...base,
      nodes: [
        base.nodes[0]!,
        node('If', ['flag'], ['y'], {
          then_branch: branch('then', [calling('Block', ['y0', ...(base.nodes[1]?.input?.slice(1) ?? [])])], 'r'),
          else_branch: branch('else', [node('Identity', ['y0'], ['e'])], 'e'),
        }),
      ],
      inputs: [...base.inputs, valueInfo('flag', [], 'bool')],
    },
    ['bn0'],
    /function that a subgraph calls/,
  ],
};
for (const [what, [model, layers, reason]] of Object.entries(REFUSED)) {
  test(`${what}: the layer is skipped with the reason, the others are served`, () => {
    const found = (): FoundLayers => find(model);
    if (layers.length === 0) {
      assert.throws(found, { code: 'UNSUPPORTED_GRAPH', exitCode: 5, message: reason });
      return;
    }
    const { layers: served, skipped } = found();
    assert.deepEqual(
      served.map(({ name }) => name),
      layers,
    );
    assert.ok(skipped.length > 0);
    for (const one of skipped) assert.match(one.reason, reason);
  });
}
