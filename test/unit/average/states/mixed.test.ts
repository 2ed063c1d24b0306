import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints, diagnose, planAverage, verifyAverage } from '../../../../src/average/index.ts';
import { openModel, readPayload, tensorsOfModel } from '../../../../src/onnx/index.ts';
import { SNAPSHOTS } from '../../../support/fashion.ts';
import { stateOfSnapshot } from '../../../support/state-tables.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

function payloads(path: string): Map<string, string> {
  const model = openModel(path);
  try {
    const tensors = [...tensorsOfModel(model.record)];
    return new Map(tensors.map((one) => [one.name, Buffer.from(readPayload(model, one)).toString('hex')]));
  } finally {
    model.close();
  }
}

/** A checkpoint, the next epoch as an ONNX file alone, and a template of that epoch. */
function mixed(network: string, exporter: 'dynamo' | 'legacy') {
  const [folder, fixture] = [fresh(), join('fixtures/exports', network)];
  const [checkpoint, of, model] = ['epoch_0.safetensors', 'of.safetensors', 'epoch_1.onnx'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  copyFileSync(join(fixture, 'epoch_0.safetensors'), checkpoint);
  copyFileSync(join(fixture, 'epoch_1.safetensors'), of);
  copyFileSync(join(fixture, `${exporter}.onnx`), model);
  const template = join(fixture, `${exporter}.onnx`);
  const out = join(folder, 'swa.onnx');
  const options = { inputs: [checkpoint, model], template, templateOf: of, out };
  return { folder, fixture, options, expected: join(fixture, `${exporter}-mean.onnx`) };
}

for (const [network, exporter] of [
  ['mixer', 'legacy'],
  ['mixer', 'dynamo'],
  ['convnext', 'legacy'],
] as const) {
  test(`${network}, ${exporter}: an ONNX file whose weights are transposed averages with a checkpoint to the export of their mean`, async () => {
    const { folder, fixture, options, expected } = mixed(network, exporter);
    const { outputs } = await averageCheckpoints(options);
    assert.deepEqual(payloads(options.out), payloads(expected));
    assert.deepEqual(
      outputs[0]?.inputs.map(({ file, state }) => [file, state]),
      [
        ['epoch_0.safetensors', 'file'],
        ['epoch_1.onnx', 'onnx'],
      ],
    );
    const verified = await verifyAverage({ file: options.out, inputs: [folder, fixture] });
    assert.deepEqual(verified, { file: options.out, ok: true, findings: [] });
  });
}

test('what gives no state dict back is refused by its tensor: a fold, a sum, another graph; nothing is written', async () => {
  for (const [network, message] of [
    ['mobile', /BatchNormalization was folded into its ".*", which gives .* not back/],
    ['attention', /its ".*" gives .* not back/],
  ] as const) {
    const { options } = mixed(network, 'dynamo');
    await assert.rejects(averageCheckpoints(options), { code: 'MISMATCH_INPUT', exitCode: 6, message });
    assert.equal(existsSync(options.out), false);
  }
  const { options, fixture } = mixed('mixer', 'legacy');
  const other = join(fixture, 'dynamo.onnx');
  await assert.rejects(averageCheckpoints({ ...options, inputs: [options.inputs[0]!, other] }), {
    code: 'MISMATCH_GRAPH',
  });
});

test('without a template, a file whose tensors are called as those of the checkpoints is it; all other averages work over such inputs', async () => {
  const folder = fresh();
  const inputs = SNAPSHOTS.slice(-3).map((path, i) => {
    if (i > 0 && i < 2) return stateOfSnapshot(path, join(folder, `epoch_${i}.safetensors`));
    const to = join(folder, `epoch_${i}.onnx`);
    copyFileSync(path, to);
    return to;
  });
  const notes: string[] = [];
  const observer = { note: (text: string) => notes.push(text) };
  const out = join(folder, 'swa.onnx');
  await averageCheckpoints({ inputs, decay: [0.5], out }, { observer });
  assert.ok(notes.some((text) => /epoch_2\.onnx: is called as the checkpoints are, and is the template/.test(text)));
  const exported = join(folder, 'exported.onnx');
  await averageCheckpoints({ inputs: SNAPSHOTS.slice(-3), decay: [0.5], out: exported });
  assert.deepEqual(payloads(out), payloads(exported));
  assert.equal((await verifyAverage({ file: out, inputs: [folder] })).ok, true);
  const { map } = await planAverage({ inputs });
  assert.ok(map?.every(({ exact }) => exact));
  const { snapshots, warnings } = await diagnose({ inputs });
  assert.deepEqual([snapshots.length, warnings], [3, []]);
});

test('without a template, a file whose tensors have other names is refused with the first, and what to give', async () => {
  const { options } = mixed('mixer', 'legacy');
  const { template: _, templateOf: __, ...without } = options;
  await assert.rejects(averageCheckpoints(without), {
    code: 'MISMATCH_INPUT',
    message: /has no .* of its size/,
    hint: /`template`/,
  });
  await assert.rejects(averageCheckpoints({ ...without, out: join(root, 'swa.safetensors') }), { code: 'USAGE' });
});
