/** Whatever measures a model refuses one that was exported in training mode: its results depend on the batch, or on chance. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import proto from 'onnx-proto';
import { evaluate, fixRes, recalibrate, searchAverages, sweep } from '../../src/index.ts';
import { makeTargets } from '../../src/targets.ts';
import { tensorPlan } from '../support/average.ts';
import { expectFailure } from '../support/expect-failure.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { decodeModel } from '../support/model-builder.ts';
import { tempFolder } from '../support/temp-folder.ts';

const { onnx } = proto;
const folder = tempFolder();
const out = join(folder, 'out');

/** A real snapshot as torch writes it in training mode: statistics of the batch, and running ones as further outputs. */
function inTraining(from: string, to: string): string {
  const model = decodeModel(from);
  for (const node of model.graph?.node ?? []) {
    if (node.opType !== 'BatchNormalization') continue;
    const y = node.output?.[0] ?? '';
    node.output = [y, `${y}.mean`, `${y}.var`];
    const rest = (node.attribute ?? []).filter(({ name }) => name !== 'training_mode');
    node.attribute = [...rest, { name: 'training_mode', type: 2, i: 1 }];
  }
  model.opsetImport = [{ domain: '', version: 17 }];
  writeFileSync(to, onnx.ModelProto.encode(model).finish());
  return to;
}
const run = join(folder, 'run');
mkdirSync(run);
const [model = '', other = ''] = SNAPSHOTS.slice(-2).map((path, i) => inTraining(path, join(run, `epoch_${i}.onnx`)));

const data = {
  source: join(FASHION, 'test-20px-images-idx3-ubyte.gz'),
  labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
  rows: { start: 0, end: 40 },
};
const common = {
  transform: { preset: 'none', mean: [0.286], std: [0.353], size: 20 },
  device: 'cpu',
  threads: 1,
  workers: 1,
} as const;

const JOBS: Readonly<Record<string, () => Promise<unknown>>> = {
  evaluate: () => evaluate({ models: [model], data, ...common }),
  sweep: () => sweep({ models: [model], data, trainSize: 20, sizes: [{ ratio: 1.2 }], ...common }),
  makeTargets: () => makeTargets({ teachers: [model], data, out, ...common }),
  searchAverages: () => searchAverages({ inputs: [run], val: data, out, ...common }),
  recalibrate: () => recalibrate({ model, data, out, ...common }),
  fixRes: () => fixRes({ model, train: data, val: data, out, trainSize: 20, size: 24, ...common }),
};

for (const [name, job] of Object.entries(JOBS)) {
  test(`${name} refuses a model that was exported in training mode`, async () => {
    await expectFailure(
      'UNSUPPORTED_GRAPH',
      [/was exported in training mode.*depend on the batch/, /model\.eval\(\)/],
      job,
    );
  });
}

test('averaging such snapshots is noted', async () => {
  assert.match(
    (await tensorPlan([model, other])).notes.join(),
    /exported in training mode.*averaged, but not measured/,
  );
});
