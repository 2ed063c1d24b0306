import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { verifyAverage } from '../../../src/average/index.ts';
import { TemperError, version } from '../../../src/core/index.ts';
import { type AverageOptions, average } from '../../support/average.ts';
import { expectFailure } from '../../support/expect-failure.ts';
import { SNAPSHOTS } from '../../support/fashion.ts';
import { externalTensors, type TestTensor, weightsModel, writeModel } from '../../support/model-builder.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}
const weights = (k: number): TestTensor[] => [
  { name: 'v', dims: [2], values: [k, 2 * k] },
  { name: 'w', dims: [3], values: [k, k + 1, k + 2] },
  { name: 'steps', dims: [], values: [k], type: 'int64' },
];
const snapshots = (folder: string): string[] =>
  [1, 2, 4].map((k) => writeModel(join(folder, `epoch_${k}.onnx`), weightsModel(weights(k))));
const externalSnapshot = (folder: string, name: string, k: number): string => {
  const path = join(folder, `${name}.onnx`);
  return writeModel(path, {
    ...weightsModel(weights(k)),
    initializers: externalTensors(weights(k), path, () => `${name}.data`),
  });
};
const COUNTERS: AverageOptions = { rules: { onIntMismatch: 'last' } };

function flip(path: string, byte: number): void {
  const bytes = readFileSync(path);
  bytes[byte]! ^= 0x10;
  writeFileSync(path, bytes);
}

test('every kind of average is verified: methods, rules, storage types', async () => {
  const folder = fresh();
  const paths = snapshots(folder);
  const kinds: AverageOptions[] = [
    {},
    { plan: { weights: [1, 0, 3] } },
    { plan: { decay: [0.9] } },
    { plan: { gamma: [3] } },
    { plan: { method: 'median' } },
    { plan: { trim: 0.4 } },
    { plan: { base: 'epoch_2.onnx' } },
    { dtype: 'float16' },
    { dtype: 'bfloat16', plan: { last: [2] } },
    { dtype: 'float64', allowNonfinite: true },
    { rules: { bn: 'last', match: 'name' } },
  ];
  for (const [i, kind] of kinds.entries()) {
    const out = join(folder, `out${i}.onnx`);
    await average(paths, out, { ...kind, rules: { ...COUNTERS.rules, ...kind.rules } });
    assert.deepEqual(await verifyAverage({ file: out }), { file: out, ok: true, findings: [] }, JSON.stringify(kind));
  }
});

test('no flipped byte passes, in structure, weights or record; one in a weight is named', async () => {
  const folder = fresh();
  const out = join(folder, 'out.onnx');
  await average(snapshots(folder), out, COUNTERS);
  const original = readFileSync(out);
  const labels = [version, 'uniform'].map((text) => {
    const at = original.indexOf(text);
    return [at, at + text.length] as const;
  });
  for (let byte = 0; byte < original.length; byte += 3) {
    flip(out, byte);
    let ok: boolean | string;
    try {
      ({ ok } = await verifyAverage({ file: out }));
    } catch (error) {
      assert.ok(error instanceof TemperError, `byte ${byte}: ${(error as Error).stack}`);
      ok = error.code;
    }
    // The version and the average's name are words: nothing is computed from them.
    if (!labels.some(([from, to]) => byte >= from && byte < to)) assert.notEqual(ok, true, `byte ${byte}`);
    writeFileSync(out, original);
  }
  const weight = original.indexOf(Buffer.from(Float32Array.of(7 / 3, 14 / 3).buffer));
  assert.ok(weight > 0);
  flip(out, weight + 5);
  const { ok, findings } = await verifyAverage({ file: out });
  assert.equal(ok, false);
  assert.match(findings.join(), new RegExp(`out\\.onnx: differs from the recomputed average at byte ${weight + 5}$`));
});

test('an average that is longer or shorter than the recomputed one does not pass', async () => {
  const folder = fresh();
  const out = join(folder, 'out.onnx');
  await average(snapshots(folder), out, COUNTERS);
  // A metadata entry of a stranger behind the record.
  appendFileSync(out, Buffer.from([0x72, 6, 0x0a, 1, 0x61, 0x12, 1, 0x62]));
  assert.equal((await verifyAverage({ file: out })).ok, false);
});

test('inputs are found in --inputs, below it, and by hash among files of one name', async () => {
  const [folder, elsewhere] = [fresh(), fresh()];
  const runs = ['fold_1', 'fold_2'].map((name, i) => {
    mkdirSync(join(elsewhere, name));
    return writeModel(join(elsewhere, name, 'epoch_3.onnx'), weightsModel(weights(i + 1)));
  });
  const out = join(folder, 'out.onnx');
  await average(runs, out, COUNTERS);
  await expectFailure('INPUT_NOT_FOUND', [/epoch_3\.onnx/, /`inputs`/], () => verifyAverage({ file: out }));
  assert.equal((await verifyAverage({ file: out, inputs: [elsewhere] })).ok, true);
  assert.equal(
    (await verifyAverage({ file: out, inputs: [join(elsewhere, 'fold_1'), join(elsewhere, 'fold_2')] })).ok,
    true,
  );
});

test('an input that has changed is a no, with its name; a missing one is INPUT_NOT_FOUND', async () => {
  const folder = fresh();
  const paths = snapshots(folder);
  const out = join(folder, 'out.onnx');
  await average(paths, out, COUNTERS);
  writeModel(paths[1]!, weightsModel(weights(3)));
  const { ok, findings } = await verifyAverage({ file: out });
  assert.equal(ok, false);
  assert.match(findings.join(), /epoch_2\.onnx.*SHA-256/);
  rmSync(paths[1]!);
  await expectFailure('INPUT_NOT_FOUND', [/epoch_2\.onnx/], () => verifyAverage({ file: out }));
});

test('an average with external data is verified, also after both files moved and the model was renamed', async () => {
  const folder = fresh();
  const paths = [1, 2].map((k) => externalSnapshot(folder, `epoch_${k}`, k));
  const out = join(folder, 'out.onnx');
  const [output = assert.fail()] = await average(paths, out, COUNTERS);
  assert.equal((await verifyAverage({ file: out })).ok, true);
  const data = output.data?.path ?? assert.fail();
  const moved = fresh();
  renameSync(out, join(moved, 'best.onnx'));
  renameSync(data, join(moved, basename(data)));
  assert.deepEqual(await verifyAverage({ file: join(moved, 'best.onnx'), inputs: [folder] }), {
    file: join(moved, 'best.onnx'),
    ok: true,
    findings: [],
  });
});

test('a flipped byte in the data file of the average, or of an input, is a no that names the file', async () => {
  const folder = fresh();
  const paths = [1, 2].map((k) => externalSnapshot(folder, `epoch_${k}`, k));
  const out = join(folder, 'out.onnx');
  const [output = assert.fail()] = await average(paths, out, COUNTERS);
  const data = output.data?.path ?? assert.fail();
  flip(data, 3);
  const { ok, findings } = await verifyAverage({ file: out });
  assert.equal(ok, false);
  assert.match(findings.join('\n'), /\.data: differs from the recomputed average at byte 3/);
  flip(data, 3);
  flip(join(folder, 'epoch_1.data'), 3);
  const changed = await verifyAverage({ file: out });
  assert.equal(changed.ok, false);
  assert.match(changed.findings.join(), /epoch_1\.onnx.*epoch_1\.data has changed/);
});

test('snapshots whose model files are the same bytes are told apart by their data', async () => {
  const folder = fresh();
  const paths = [1, 2, 3].map((k) => {
    mkdirSync(join(folder, `epoch_${k}`));
    const path = join(folder, `epoch_${k}`, 'model.onnx');
    const tensors = weights(k).slice(0, 2);
    return writeModel(path, {
      ...weightsModel(tensors),
      initializers: externalTensors(tensors, path, () => 'model.data'),
    });
  });
  const out = join(fresh(), 'out.onnx');
  await average(paths, out);
  assert.deepEqual(await verifyAverage({ file: out, inputs: [folder] }), { file: out, ok: true, findings: [] });
});

test('a model without a record, or whose last step was another command, is refused with the reason', async () => {
  const folder = fresh();
  await expectFailure('UNSUPPORTED_GRAPH', [/no record/], () => verifyAverage({ file: SNAPSHOTS[0]! }));
  const of = (name: string, value: string): string =>
    writeModel(join(folder, name), { ...weightsModel(weights(1)), metadata: { 'onnx_temper.1': value } });
  await expectFailure('UNSUPPORTED_GRAPH', [/bn-recal/], () =>
    verifyAverage({ file: of('other.onnx', JSON.stringify({ tool: 'onnx-temper', command: 'bn-recal' })) }),
  );
  for (const value of ['{', 'null', '[]', '{}', '{"tool":"onnx-temper","command":"avg-ckpt"}']) {
    await expectFailure('FORMAT_MALFORMED', [/onnx_temper\.1/], () => verifyAverage({ file: of('bad.onnx', value) }));
  }
});

test('a record cannot make verify read outside the folders: names are base names', async () => {
  const folder = fresh();
  const paths = snapshots(folder);
  const out = join(folder, 'out.onnx');
  const [record = assert.fail()] = await average(paths, out, COUNTERS);
  const inner = join(folder, 'inner');
  mkdirSync(inner);
  const value = JSON.stringify({
    ...record,
    inputs: record.inputs.map((input) => ({ ...input, file: `../${input.file}` })),
  });
  const path = writeModel(join(inner, 'climb.onnx'), {
    ...weightsModel(weights(1)),
    metadata: { 'onnx_temper.1': value },
  });
  await expectFailure('FORMAT_MALFORMED', [], () => verifyAverage({ file: path }));
  copyFileSync(out, join(inner, 'fine.onnx'));
  assert.equal((await verifyAverage({ file: join(inner, 'fine.onnx'), inputs: [folder] })).ok, true);
});
