import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints } from '../../../../src/average/index.ts';
import { mergeMoments, type RecalibrateOptions, recalibrate } from '../../../../src/batchnorm/index.ts';
import { openFile, openSafetensors } from '../../../../src/core/index.ts';
import { evaluate } from '../../../../src/evaluate/index.ts';
import { openModel, provenanceSteps, readPayload, tensorsOfModel } from '../../../../src/onnx/index.ts';
import { FASHION, SNAPSHOTS } from '../../../support/fashion.ts';
import { foldBatchNorms } from '../../../support/fold-batchnorm.ts';
import { stateOfSnapshot } from '../../../support/state-tables.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
const at = (name: string): string => join(root, name);
const DATA = { source: join(FASHION, 'train-2k-images-idx3-ubyte.gz') };
const TEST = {
  source: join(FASHION, 'test-images-idx3-ubyte.gz'),
  labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
  rows: { start: 0, end: 100 },
};
const NORMAL = { preset: 'none', mean: [0.286], std: [0.353] } as const;
const QUIET = { threads: 1, workers: 1, device: 'cpu' } as const;

/** Two epochs of the fixtures' network as state dicts, their average, and exports of the newer one: with BatchNormalization, and folded. */
const epochs = SNAPSHOTS.slice(-2).map((path, i) => stateOfSnapshot(path, at(`epoch_${i}.safetensors`)));
const average = at('average.safetensors');
await averageCheckpoints({ inputs: epochs, out: average });
const kept = SNAPSHOTS.at(-1) as string;
const folded = foldBatchNorms(kept, at('folded.onnx'));
const JOB = { model: average, templateOf: epochs[1], data: DATA, samples: 48, batch: 16, ...QUIET } as const;

/** The moments of every layer and batch that a run measured. */
function momentsOf(path: string): Map<string, Float32Array> {
  const source = openFile(path);
  try {
    const file = openSafetensors(source);
    const names = [...file.tensors.keys()].filter((name) => /^(?:mean|variance)/.test(name));
    return new Map(names.map((name) => [name, file.read(name) as Float32Array]));
  } finally {
    source.close();
  }
}

function payloads(path: string): Map<string, string> {
  const model = openModel(path);
  try {
    return new Map(
      [...tensorsOfModel(model.record)].map((one) => [one.name, Buffer.from(readPayload(model, one)).toString('hex')]),
    );
  } finally {
    model.close();
  }
}

const near = (a: number, b: number, size = Math.abs(b)): boolean => Math.abs(a - b) <= 2e-6 * Math.max(size, 1);

test('an average through a folded template gets the statistics and the answers that it gets through one that keeps its layers', async () => {
  for (const size of [12, 16, 20, 28]) {
    const transform = { ...NORMAL, size };
    const runs = await Promise.all(
      [folded, kept].map(async (template, i) => {
        const [out, momentsOut] = [at(`${size}-${i}.onnx`), at(`${size}-${i}.safetensors`)];
        const { result } = await recalibrate({ ...JOB, template, transform, out, momentsOut });
        return { out, layers: result!.layers, moments: momentsOf(momentsOut) };
      }),
    );
    const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
    assert.equal(a.layers.length, 9);
    for (const [k, layer] of a.layers.entries()) {
      const other = b.layers[k]!;
      assert.equal(layer.layer, other.layer);
      for (const [field, value] of Object.entries(layer).filter(([, one]) => typeof one === 'number'))
        assert.ok(near(value as number, other[field as 'values']), `${size} px, ${layer.layer}, ${field}: ${value}`);
    }
    for (const [name, values] of a.moments)
      for (const [c, value] of values.entries()) assert.ok(near(value, b.moments.get(name)![c]!), `${name}[${c}]`);
    const { models } = await evaluate({ models: [a.out, b.out], data: TEST, transform, ...QUIET });
    assert.equal(models[0]?.metrics.top1, models[1]?.metrics.top1, `top-1 at ${size} px`);
    assert.ok(near(models[0]!.metrics.nll, models[1]!.metrics.nll));
  }
});

for (const network of ['mobile', 'dense', 'transposed']) {
  test(`${network}: both of torch's exporters, which fold different layers, get the same statistics for all of them`, async () => {
    const folder = join('fixtures/exports', network);
    const of = join(folder, 'epoch_1.safetensors');
    const job = {
      ...JOB,
      model: join(folder, 'epoch_0.safetensors'),
      templateOf: of,
      transform: { ...NORMAL, size: 16 },
    };
    const [a, b] = await Promise.all(
      ['dynamo', 'legacy'].map(async (exporter) => {
        const out = at(`${network}-${exporter}.onnx`);
        const { result } = await recalibrate({ ...job, template: join(folder, `${exporter}.onnx`), out });
        return { out, layers: new Map(result!.layers.map((layer) => [layer.layer, layer])) };
      }),
    );
    assert.deepEqual([...a!.layers.keys()].sort(), [...b!.layers.keys()].sort());
    for (const [name, layer] of a!.layers)
      for (const field of [
        'mean_shift_rms',
        'variance_ratio_median',
        'mean_abs_max_after',
        'variance_max_after',
      ] as const)
        assert.ok(near(layer[field], b!.layers.get(name)![field]), `${name}, ${field}`);
    const { models } = await evaluate({ models: [a!.out, b!.out], data: TEST, transform: job.transform, ...QUIET });
    assert.ok(near(models[0]!.metrics.nll, models[1]!.metrics.nll), network);
  });
}

for (const network of ['mobile', 'dense']) {
  test(`${network}: with the statistics that it has already, an average is folded to the bits of its export`, async () => {
    const folder = join('fixtures/exports', network);
    const model = at(`${network}.safetensors`);
    await averageCheckpoints({ inputs: [0, 1].map((i) => join(folder, `epoch_${i}.safetensors`)), out: model });
    const templateOf = join(folder, 'epoch_1.safetensors');
    const [template, out] = [join(folder, 'dynamo.onnx'), at(`${network}-mean.onnx`)];
    const transform = { ...NORMAL, size: 16 };
    await recalibrate({ ...JOB, model, template, templateOf, transform, samples: 16, prior: 1e300, out });
    assert.deepEqual(payloads(out), payloads(join(folder, 'dynamo-mean.onnx')));
  });
}

const SMALL = { ...JOB, template: folded, transform: { ...NORMAL, size: 12 } } as const satisfies RecalibrateOptions & {
  readonly template: string;
};

test('two workers and a merge give the bytes of one; the record names checkpoint, template and map', async () => {
  await recalibrate({ ...SMALL, out: at('one.onnx') });
  const moments = [at('part0.safetensors'), at('part1.safetensors')];
  for (const [index, momentsOut] of moments.entries())
    await recalibrate({ ...SMALL, shard: { index, count: 2 }, momentsOut });
  const { model, template, templateOf } = SMALL;
  await mergeMoments({ moments, model, template, templateOf, out: at('merged.onnx'), threads: 1 });
  assert.deepEqual(readFileSync(at('merged.onnx')), readFileSync(at('one.onnx')));
  await assert.rejects(mergeMoments({ moments, model: epochs[0]!, template, templateOf, out: at('other.onnx') }), {
    code: 'MISMATCH_VALUE',
    message: /is not the model that the moments are of/,
  });
  const written = openModel(at('one.onnx'));
  const step = JSON.parse(provenanceSteps(written.record).at(-1)!.value) as Record<string, Record<string, unknown>>;
  written.close();
  assert.equal(step.input?.file, 'average.safetensors');
  assert.equal(step.template_file?.file, 'folded.onnx');
  assert.equal(step.template_of?.file, 'epoch_1.safetensors');
  assert.deepEqual(Object.keys(step.map ?? {}), ['sha256', 'tensors', 'within_rounding']);
});

test('the checkpoint of a template is found among those that an average names in its record, where they lie beside it', async () => {
  const { templateOf: _, ...found } = SMALL;
  const notes: string[] = [];
  await recalibrate(
    { ...found, samples: 16, out: at('found.onnx') },
    { observer: { note: (text) => notes.push(text) } },
  );
  assert.ok(notes.some((text) => text.includes(`an export of ${epochs[1]}`)));
  await recalibrate({ ...SMALL, samples: 16, out: at('named.onnx') });
  assert.deepEqual(readFileSync(at('found.onnx')), readFileSync(at('named.onnx')));
});

test('level by level, with a guard and few layers: as for layers that are kept', async () => {
  const runs = await Promise.all(
    [folded, kept].map(async (template, i) => {
      const out = at(`levels-${i}.onnx`);
      const layers = ['bn1', 'layer1.*'];
      const { result } = await recalibrate({
        ...SMALL,
        template,
        method: 'sequential',
        layers,
        val: TEST,
        allowWorse: true,
        out,
      });
      return result!;
    }),
  );
  const [a, b] = runs as [(typeof runs)[0], (typeof runs)[0]];
  assert.deepEqual(
    a.layers.map(({ layer }) => layer),
    ['bn1', 'layer1.bn1', 'layer1.bn2'],
  );
  assert.deepEqual([a.guard?.before, a.guard?.after], [b.guard?.before, b.guard?.after]);
  for (const [k, layer] of a.layers.entries())
    assert.ok(near(layer.variance_max_after, b.layers[k]!.variance_max_after));
});

test('a checkpoint without a graph, a model with a template, and a template of another checkpoint are refused; nothing is written', async () => {
  const { template: _, templateOf: __, ...without } = SMALL;
  const out = at('refused.onnx');
  await assert.rejects(recalibrate({ ...without, out }), { code: 'USAGE', hint: /`template`/ });
  await assert.rejects(recalibrate({ ...SMALL, model: kept, out }), { code: 'USAGE', message: /`template`/ });
  await assert.rejects(recalibrate({ ...SMALL, templateOf: epochs[0], out }), { code: 'MISMATCH_TENSOR' });
  const alone = join(mkdtempSync(at('alone-')), 'average.safetensors');
  copyFileSync(average, alone);
  await assert.rejects(recalibrate({ ...SMALL, model: alone, templateOf: undefined, out }), {
    code: 'MISMATCH_TENSOR',
    hint: /`templateOf`/,
  });
  await assert.rejects(recalibrate({ ...SMALL, out: folded, force: true }), { code: 'OUTPUT_IS_INPUT' });
  await assert.rejects(recalibrate({ ...SMALL, out: average, force: true }), { code: 'OUTPUT_IS_INPUT' });
  assert.equal(existsSync(out), false);
});

test('a reference is said to have no use: nothing stands for what the checkpoint tells', async () => {
  const notes: string[] = [];
  const observer = { note: (text: string) => notes.push(text) };
  await recalibrate({ ...SMALL, referenceSize: 20, samples: 16, out: at('idle.onnx') }, { observer });
  assert.ok(
    notes.some((text) => /`referenceSize` has no use: the checkpoint tells/.test(text)),
    notes.join('\n'),
  );
});
