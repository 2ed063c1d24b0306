import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseTemplate, planTensors, type Row, storedTensors } from '../../../src/average/index.ts';
import { type Model, openModel } from '../../../src/onnx/index.ts';
import { openSession, type Tensors } from '../../../src/runtime/index.ts';
import {
  candidateBytes,
  type Ingredients,
  makeCandidates,
  modelWriter,
} from '../../../src/search/candidate-weights.ts';
import { type CandidateModel, inMemory, prepareModel, WEIGHTS_LOCATION } from '../../../src/search/prepared-model.ts';
import { average, RULES } from '../../support/average.ts';
import { FILE_KINDS, type FileKind, type Weights } from '../../support/file-kinds.ts';
import { seeded } from '../../support/random.ts';
import { runModel } from '../../support/run-model.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();

function weights(kind: FileKind, seed: number): Weights {
  const random = seeded(seed);
  return Object.fromEntries(
    Object.entries(kind.dims).map(([name, dims]) => [
      name,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random() + (name === 'bn.var' ? 0.5 : -0.5)),
    ]),
  );
}

async function withIngredients<T>(files: readonly string[], use: (made: Ingredients) => Promise<T>): Promise<T> {
  const opened: Model[] = files.map((file) => openModel(file));
  try {
    const models = opened.map(inMemory);
    const at = chooseTemplate(models);
    const template = models[at] as Model;
    const stored = storedTensors(template, planTensors(models, at, RULES).tensors, undefined);
    const prepared = prepareModel(template, stored);
    const { signal } = new AbortController();
    const writer = modelWriter(models, stored, { allowNonfinite: false, signal });
    return await use({ snapshots: models.length, stored, prepared, writer });
  } finally {
    for (const model of opened) model.close();
  }
}

/** The first output of a candidate, which no disk has seen. */
async function run({ graph, weights: data }: CandidateModel, feeds: FileKind['feeds'][number]): Promise<number[]> {
  const session = await openSession({
    model: graph,
    externalData: [{ path: WEIGHTS_LOCATION, data }],
    device: 'cpu',
    threads: 1,
  });
  try {
    const tensors: Tensors = Object.fromEntries(
      Object.entries(feeds).map(([name, { values, dims, type }]) => [
        name,
        type === 'bool'
          ? { type, dims, data: Uint8Array.from(values) }
          : { type: 'float32', dims, data: Float32Array.from(values) },
      ]),
    );
    const { outputs } = await session.run(tensors);
    const first = outputs[session.outputs[0]?.name ?? ''];
    return Array.from(first?.data as Float32Array);
  } finally {
    await session.close();
  }
}

const ROWS: Row[] = [
  { kind: 'linear', name: 'single', coefficients: [0, 1, 0], divisor: 1 },
  { kind: 'linear', name: 'uniform', coefficients: [1, 1, 1], divisor: 3 },
  { kind: 'linear', name: 'ema', coefficients: [1, 2, 4], divisor: 7 },
];

for (const [name, kind] of Object.entries(FILE_KINDS)) {
  test(`${name}: a candidate in memory computes what the written average computes, bit for bit`, async () => {
    const folder = name.replace(/\W+/g, '_');
    const files = [1, 2, 3].map((seed) => kind.write(join(root, `${folder}_${seed}.onnx`), weights(kind, seed)));
    await withIngredients(files, async (made) => {
      const { candidates, reads } = await makeCandidates(made, ROWS);
      assert.equal(reads, 3, 'three rows, one pass');
      for (const [i, row] of ROWS.entries()) {
        const path = join(root, `${folder}_${row.name}.out.onnx`);
        await average(files, path, {
          plan: { method: 'weighted', weights: [...row.coefficients] },
        });
        for (const feeds of kind.feeds) {
          assert.deepEqual(await run(candidates[i] as CandidateModel, feeds), await runModel(path, feeds), row.name);
        }
      }
    });
  });
}

test('snapshots that no row uses are not read', async () => {
  const kind = FILE_KINDS['float32 raw_data'] as FileKind;
  const files = [1, 2, 3].map((seed) => kind.write(join(root, `few_${seed}.onnx`), weights(kind, seed)));
  await withIngredients(files, async (made) => {
    assert.equal((await makeCandidates(made, ROWS.slice(0, 1))).reads, 1);
    assert.ok(candidateBytes(made) < 2000, 'the graph is shared: its bytes are not counted per candidate');
  });
});
