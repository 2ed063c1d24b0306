/** Inferred shapes against onnxruntime's own, value by value; and GMACs against torch's hooks and torchvision's table. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { modelFromBytes } from '../../src/onnx/index.ts';
import { analyseSizes } from '../../src/resolution/index.ts';
import { graphView, inferShapes } from '../../src/shapes/index.ts';
import { graphBytes, intermediateDims } from '../support/intermediate-dims.ts';
import { onlyLong } from '../support/long.ts';
import { seededModel } from '../support/seeded-model.ts';

function seeded(name: string) {
  const { model, externalData } = seededModel(name);
  return modelFromBytes(model, new Map(externalData.map(({ path, data }) => [path, data])));
}

/** Graphs that together hold every operator of the fixtures; the transformer at its own size. */
const CASES: readonly (readonly [name: string, dims: readonly number[]])[] = [
  ['resnet18', [2, 3, 65, 97]],
  ['mobilenet_v3_small', [1, 3, 75, 64]],
  ['densenet121', [1, 3, 64, 71]],
  ['inception_v3', [1, 3, 107, 96]],
  ['googlenet', [1, 3, 81, 64]],
  ['shufflenet_v2_x0_5', [3, 3, 64, 90]],
  ['squeezenet1_1-dynamic', [2, 3, 61, 64]],
  ['convnext_tiny-dynamic', [1, 3, 75, 64]],
  ['swin_t-dynamic', [1, 3, 75, 96]],
  ['maxvit_t-fixed', [1, 3, 224, 224]],
];

for (const [name, dims] of CASES) {
  test(`${name} at ${dims.join('x')}: the shape of every value is onnxruntime's`, {
    skip: name === 'maxvit_t-fixed' && onlyLong,
  }, async () => {
    const model = seeded(name);
    const expected = await intermediateDims(model, dims);
    const { nodes, unknown, mismatch } = inferShapes(graphView(model), { input: dims });
    assert.deepEqual([unknown, mismatch], [[], undefined]);
    let compared = 0;
    for (const { node, outputs } of nodes) {
      for (const [i, value] of node.outputs.entries()) {
        const found = expected.get(value);
        if (!found || !outputs[i]?.dims) continue;
        assert.deepEqual(outputs[i].dims, found, `${node.opType} ${value}`);
        compared++;
      }
      if (node.opType !== 'NonZero') assert.ok(outputs[0]?.dims, `${node.opType} ${node.outputs[0]}: no shape`);
    }
    assert.ok(compared > 0.9 * nodes.length, `${compared} of ${nodes.length} compared`);
  });
}

/** torchvision's documentation of its weights (GFLOPS, in fact GMACs). */
const TABLE: Readonly<Record<string, number>> = {
  resnet18: 1.814,
  resnet50: 4.089,
  mobilenet_v2: 0.301,
  efficientnet_b0: 0.386,
  densenet121: 2.834,
  'convnext_tiny-dynamic': 4.456,
  'alexnet-fixed': 0.714,
  'vgg11-fixed': 7.609,
  'swin_t-dynamic': 4.491,
  'vit_b_16-dynamic': 17.564,
  'maxvit_t-fixed': 5.558,
};

test("GMACs at 224 px are those of torchvision's table", () => {
  for (const [name, gmacs] of Object.entries(TABLE)) {
    const dims = [1, 3, 224, 224];
    const found = analyseSizes(bare(name), 'input', dims).at(dims);
    assert.equal(found.gmacs?.toFixed(3), gmacs.toFixed(3), `${name}: ${found.gmacsNote ?? ''}`);
  }
});

/** Without weights: shapes do not need them. */
function bare(name: string) {
  return modelFromBytes(graphBytes(name));
}

const HOOKS = `
import json, sys, warnings
warnings.simplefilter('ignore')
import torch, torchvision
names, sizes = json.loads(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(1)
out = {}
for name in names:
    options = {'aux_logits': False, 'init_weights': False} if name in ('googlenet', 'inception_v3') else {}
    net = getattr(torchvision.models, name)(weights=None, **options).eval()
    total = [0]
    def conv(m, i, o): total[0] += o.numel() * m.weight[0].numel()
    def linear(m, i, o): total[0] += o.numel() * m.in_features
    for m in net.modules():
        if isinstance(m, torch.nn.Conv2d): m.register_forward_hook(conv)
        if isinstance(m, torch.nn.Linear): m.register_forward_hook(linear)
    for size in sizes:
        total[0] = 0
        with torch.no_grad(): net(torch.zeros(1, 3, size, size))
        out[name + ' ' + str(size)] = total[0]
print(json.dumps(out))
`;

test("GMACs at other sizes are what torch's hooks count", (t) => {
  const names = ['resnet18', 'mobilenet_v2', 'efficientnet_b0', 'shufflenet_v2_x0_5', 'inception_v3', 'googlenet'];
  const sizes = [96, 128, 200, 299];
  const run = spawnSync('/usr/bin/python3', ['-c', HOOKS, JSON.stringify(names), JSON.stringify(sizes)], {
    encoding: 'utf8',
    env: { ...process.env, OMP_WAIT_POLICY: 'passive' },
  });
  if (run.status !== 0) {
    t.skip(`no torch: ${run.stderr?.trim().split('\n').at(-1) ?? run.error?.message}`);
    return;
  }
  const counted = JSON.parse(run.stdout) as Record<string, number>;
  for (const name of names) {
    const analysis = analyseSizes(bare(name), 'input', [1, 3, 224, 224]);
    for (const size of sizes) {
      const { gmacs = 0 } = analysis.at([1, 3, size, size]);
      assert.equal(Math.round(gmacs * 1e9), counted[`${name} ${size}`], `${name} at ${size} px`);
    }
  }
});
