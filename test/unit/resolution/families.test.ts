/** Which of seventeen families run at other sizes though their file is fixed to one, and whether they mean the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TemperError } from '../../../src/core/index.ts';
import { applyEdits, externalDataOf, type Model, modelFromBytes } from '../../../src/onnx/index.ts';
import {
  analyseSizes,
  freeSize,
  probe,
  relativeDifference,
  sizeVerdict,
  type VerdictKind,
} from '../../../src/resolution/index.ts';
import { openSession, type Session } from '../../../src/runtime/index.ts';
import { onlyLong } from '../../support/long.ts';
import { seededModel } from '../../support/seeded-model.ts';

function seeded(name: string): Model {
  const { model, externalData } = seededModel(name);
  return modelFromBytes(model, new Map(externalData.map(({ path, data }) => [path, data])));
}

const open = (model: Model): Promise<Session> =>
  openSession({ model: applyEdits(model, []), externalData: externalDataOf(model), device: 'cpu', threads: 1 });

async function verdictsOf(model: Model, size: number, batch: number, sizes: readonly number[]) {
  const analysis = analyseSizes(model, 'input', [batch, 3, size, size]);
  const session = await open(model);
  const found = [];
  try {
    for (const at of sizes) {
      const dims = [batch, 3, at, at];
      const failed = await probe(session, dims).then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof TemperError) return error;
          throw error;
        },
      );
      found.push(sizeVerdict(analysis.at(dims).findings, failed));
    }
  } finally {
    await session.close();
  }
  return found;
}

/** What onnxruntime or the findings say at another size; undefined: safe. */
const FAMILIES: Readonly<Record<string, RegExp | undefined>> = {
  resnet18: undefined,
  mobilenet_v2: undefined,
  mobilenet_v3_small: undefined,
  densenet121: undefined,
  efficientnet_b0: undefined,
  squeezenet1_1: undefined,
  googlenet: undefined,
  inception_v3: undefined,
  regnet_y_400mf: undefined,
  mnasnet0_5: undefined,
  convnext_tiny: undefined,
  vgg11: /GEMM: Dimension mismatch/,
  alexnet: /GEMM: Dimension mismatch/,
  shufflenet_v2_x0_5: /cannot be reshaped to the requested shape/,
  vit_b_16: /cannot be reshaped to the requested shape/,
  swin_t: /cannot be reshaped to the requested shape/,
  maxvit_t: /cannot be reshaped to the requested shape/,
};

/** Hundreds of megabytes of weights, and of kinds that smaller ones show, too. */
const LARGE = ['vgg11', 'vit_b_16', 'maxvit_t', 'convnext_tiny', 'inception_v3'];

for (const [name, reason] of Object.entries(FAMILIES)) {
  const skip = LARGE.includes(name) && onlyLong;
  test(`${name}, fixed: ${reason ? 'blocked' : 'safe'} at other sizes, safe at its own`, { skip }, async () => {
    const file = seeded(`${name}-fixed`);
    const own = name === 'inception_v3' ? 299 : 224;
    const other = name === 'inception_v3' ? 160 : 96;
    const freed = freeSize(file, { input: 'input', layout: 'NCHW', batch: false });
    const [at, elsewhere] = await verdictsOf(freed, own, 1, [own, other]);
    assert.deepEqual(at, { verdict: 'safe', reason: undefined });
    const expected: VerdictKind = reason ? 'blocked' : 'safe';
    assert.equal(elsewhere?.verdict, expected, elsewhere?.reason);
    if (reason) assert.match(elsewhere?.reason ?? '', reason);
  });
}

test('swin_t with dynamic sizes runs at other sizes: suspect, as its windows are rolled by constants; GMACs are known', async () => {
  const model = seeded('swin_t-dynamic');
  const [own, other] = await verdictsOf(model, 224, 1, [224, 256]);
  assert.equal(own?.verdict, 'safe');
  assert.equal(other?.verdict, 'suspect');
  assert.match(
    other?.reason ?? '',
    /^Slice v\d+: cuts 3 of 70 as of 56 \(a roll or a window\); Slice .*; and \d+ more$/,
  );
});

test('vit_b_16 with dynamic sizes is blocked by its position embedding, and onnxruntime says so', async () => {
  const [other] = await verdictsOf(seeded('vit_b_16-dynamic'), 224, 1, [96]);
  assert.equal(other?.verdict, 'blocked');
  assert.match(other?.reason ?? '', /37 by 197|broadcast/);
});

for (const name of ['resnet18', 'mobilenet_v2', 'efficientnet_b0', 'densenet121']) {
  test(`${name}, fixed, with free sizes and batch gives the scores of the dynamic export at another size`, async () => {
    const freed = freeSize(seeded(`${name}-fixed`), { input: 'input', layout: 'NCHW', batch: true });
    const [a, b] = await Promise.all([open(freed), open(seeded(`${name}-folded`))]);
    try {
      const dims = [3, 3, 96, 96];
      const [scores, expected] = [await probe(a, dims), await probe(b, dims)];
      const difference = relativeDifference(expected, scores);
      assert.ok(difference < 1e-4, `off by ${difference}`);
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });
}
