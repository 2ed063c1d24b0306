import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { averageCheckpoints, planAverage, verifyAverage } from '../../../../src/average/index.ts';
import { openAtomic, openFile, openSafetensors, writeSafetensors } from '../../../../src/core/index.ts';
import { openState } from '../../../../src/snapshots/index.ts';
import { dictOps, tensorOps, torchZip } from '../../../support/checkpoint-writer.ts';
import { expectFailure } from '../../../support/expect-failure.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const FIXTURES = 'fixtures/trainer';
const RUN = join(FIXTURES, 'run');
const root = tempFolder();
let folders = 0;

const { averages } = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8')) as {
  averages: Readonly<Record<string, Readonly<Record<string, { type: string; dims: number[]; sha256: string }>>>>;
};

function contentOf(path: string): Record<string, unknown> {
  const table = openState(path);
  try {
    return Object.fromEntries(
      [...table.tensors.values()].map((tensor) => {
        const cursor = tensor.open();
        const bytes = new Uint8Array(cursor.byteLength);
        cursor.read(bytes);
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        return [tensor.name, { type: tensor.type, dims: tensor.dims, sha256 }];
      }),
    );
  } finally {
    table.close();
  }
}

const newFolder = (): string => {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
};

const listener = () => {
  const notes: string[] = [];
  return { notes, control: { observer: { note: (text: string) => void notes.push(text) } } };
};

test("a run of timm is averaged to torch's bits, with keys, types and counters of the state dict; copies count once", async () => {
  const folder = newFolder();
  for (const [name, options] of [
    ['uniform', { state: 'model' }],
    ['ema', {}],
    ['best2', { state: 'model', best: [2] }],
  ] as const) {
    const { notes, control } = listener();
    const out = join(folder, `${name}.safetensors`);
    const { outputs, tensors } = await averageCheckpoints({ inputs: [RUN], out, ...options }, control);
    assert.deepEqual(contentOf(out), averages[name], name);
    assert.deepEqual(tensors, { averaged: 8, roles: { weight: 6, bn_mean: 1, bn_variance: 1, counter: 1 } });
    assert.equal(outputs[0]?.inputs.length, name === 'best2' ? 2 : 3);
    assert.match(notes.join('\n'), /last\.pth\.tar: the same weights as .*checkpoint-3\.pth\.tar; counted once/);
    assert.match(notes.join('\n'), /there are state_dict, state_dict_ema/);
    assert.deepEqual(await verifyAverage({ file: out, inputs: [RUN] }), { file: out, ok: true, findings: [] });
  }
});

test('the order, the steps and the best are what the checkpoints say inside', async () => {
  const folder = newFolder();
  for (const [i, name] of ['c', 'a', 'b'].entries()) {
    copyFileSync(join(RUN, `checkpoint-${i + 1}.pth.tar`), join(folder, `${name}.pth`));
  }
  const filesOf = async (options: object) =>
    (await planAverage({ inputs: [folder], ...options })).averages[0]?.inputs.map(({ file, step }) => [
      file.slice(folder.length + 1),
      step,
    ]);
  assert.deepEqual(await filesOf({}), [
    ['c.pth', 1],
    ['a.pth', 2],
    ['b.pth', 3],
  ]);
  assert.deepEqual(await filesOf({ start: 2, end: 2 }), [['a.pth', 2]]);
  assert.deepEqual(await filesOf({ best: [1] }), [['b.pth', 3]]);
  assert.deepEqual(await filesOf({ best: [1], mode: 'min' }), [['a.pth', 2]]);
  await expectFailure('USAGE', [/needs a table/], () => planAverage({ inputs: [folder], best: [1], metric: 'top5' }));
});

test('folders of checkpoints, shards and weights of several kinds are one run', async () => {
  const folder = newFolder();
  cpSync(join(FIXTURES, 'hf'), folder, { recursive: true });
  const out = join(newFolder(), 'a.safetensors');
  const plan = await planAverage({ inputs: [folder], allowDuplicates: true });
  assert.deepEqual(
    plan.averages[0]?.inputs.map(({ step }) => step),
    [900, 1000, 1100],
  );
  const { notes, control } = listener();
  await averageCheckpoints({ inputs: [folder], out }, control);
  assert.equal(notes.filter((note) => note.includes('counted once')).length, 2);
  await averageCheckpoints({ inputs: [folder], out, allowDuplicates: true, force: true });
  assert.equal((await verifyAverage({ file: out, inputs: [folder] })).ok, true);
  const shard = join(folder, 'checkpoint-1000/model-00002-of-00002.safetensors');
  const bytes = readFileSync(shard);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(shard, bytes);
  const { ok, findings } = await verifyAverage({ file: out, inputs: [folder] });
  assert.equal(ok, false);
  assert.match(findings.join(), /has changed/);
});

test('the file says what it was made from, and one changed byte is found', async () => {
  const folder = newFolder();
  const out = join(folder, 'swa.safetensors');
  await averageCheckpoints({ inputs: [RUN], out, state: 'raw', dtype: 'float16' });
  const file = openFile(out);
  const { metadata, tensors } = openSafetensors(file);
  file.close();
  assert.equal(metadata.get('format'), 'pt');
  assert.equal(tensors.get('conv.weight')?.dtype, 'F16');
  const record = JSON.parse(metadata.get('onnx_temper.1') ?? '') as { inputs: { file: string; state: string }[] };
  assert.deepEqual(
    record.inputs.map((input) => [input.file, input.state]),
    [1, 2, 3].map((epoch) => [`checkpoint-${epoch}.pth.tar`, 'state_dict']),
  );
  const bytes = readFileSync(out);
  const at = bytes.length - 9;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(out, bytes);
  assert.deepEqual((await verifyAverage({ file: out, inputs: [RUN] })).findings, [
    `${out}: differs from the recomputed average at byte ${at}`,
  ]);
});

test('several averages, Model Stock and medians come from one kernel', async () => {
  const outDir = join(newFolder(), 'out');
  await averageCheckpoints({ inputs: [RUN], decay: [0.5, 0.9], last: [2, 3], outDir });
  assert.deepEqual(readdirSync(outDir).toSorted(), [
    'ema_0.5_last2.safetensors',
    'ema_0.5_last3.safetensors',
    'ema_0.9_last2.safetensors',
    'ema_0.9_last3.safetensors',
  ]);
  for (const method of ['median', 'model-stock', 'power'] as const) {
    const out = join(outDir, `${method}.safetensors`);
    await averageCheckpoints({ inputs: [RUN], method, out, ...(method === 'power' ? { gamma: [1] } : {}) });
    assert.equal((await verifyAverage({ file: out, inputs: [RUN] })).ok, true, method);
  }
});

const weights = (values: Readonly<Record<string, readonly number[]>>): Buffer => {
  const entries = Object.entries(values);
  const data = entries.map(([, numbers], i) => [String(i), Buffer.from(Float32Array.from(numbers).buffer)] as const);
  const tensors = entries.map(
    ([name, { length }], i) => [name, tensorOps({ key: String(i), count: length, dims: [length] })] as const,
  );
  return torchZip(dictOps(...tensors), Object.fromEntries(data));
};

function saved(files: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>): string {
  const folder = newFolder();
  for (const [name, values] of Object.entries(files)) writeFileSync(join(folder, name), weights(values));
  return folder;
}

test('other keys, sizes and kinds of files are refused, with what differs', async () => {
  const folder = saved({
    'epoch_1.pth': { 'a.weight': [1], 'b.weight': [1, 2] },
    'epoch_2.pth': { 'b.weight': [1], 'c.weight': [3] },
  });
  await expectFailure(
    'MISMATCH_TENSOR',
    [
      /epoch_1\.pth: does not fit .*epoch_2\.pth: missing: c\.weight; unexpected: a\.weight; other sizes or types: b\.weight F32 \[2\], expected F32 \[1\]/,
    ],
    () => planAverage({ inputs: [folder] }),
  );
  const onnx = 'fixtures/fashion/checkpoints/epoch_14.onnx';
  await expectFailure('MISMATCH_INPUT', [/is a training checkpoint/], () =>
    planAverage({ inputs: [join(folder, 'epoch_1.pth'), onnx] }),
  );
  await expectFailure('USAGE', [/`state`.*ONNX models/], () => planAverage({ inputs: [onnx], state: 'ema' }));
  await expectFailure('USAGE', [/a \.safetensors file/], () =>
    averageCheckpoints({ inputs: [RUN], out: join(folder, 'x.onnx') }),
  );
});

test('NaN is named, variances below 0 are refused, inputs are never overwritten', async () => {
  const folder = saved({ 'epoch_1.pth': { 'a.weight': [1, Number.NaN] }, 'epoch_2.pth': { 'a.weight': [1, 2] } });
  const out = join(folder, 'out.safetensors');
  await expectFailure('NUMERIC_NONFINITE', [/epoch_1\.pth: NaN or Inf in tensor "a.weight", element 1/], () =>
    averageCheckpoints({ inputs: [folder], out }),
  );
  const bn = (value: number) => ({ 'bn.running_mean': [0], 'bn.running_var': [value], 'bn.weight': [1] });
  const norms = saved({ 'epoch_1.pth': bn(3), 'epoch_2.pth': bn(1) });
  await expectFailure('NUMERIC_NEGATIVE_VARIANCE', [/"bn.running_var"/], () =>
    averageCheckpoints({ inputs: [norms], out, weights: [-1, 2] }),
  );
  assert.deepEqual(readdirSync(folder).toSorted(), ['epoch_1.pth', 'epoch_2.pth']);
  const input = join(folder, 'epoch_3.safetensors');
  await averageCheckpoints({ inputs: [norms], out: input });
  await expectFailure('OUTPUT_IS_INPUT', [/snapshots/], () =>
    averageCheckpoints({ inputs: [input], out: input, force: true }),
  );
});

test('a folder of both kinds gives its ONNX files, and says so; averages in it are left out', async () => {
  const folder = newFolder();
  for (const epoch of [1, 2])
    copyFileSync(join(RUN, `checkpoint-${epoch}.pth.tar`), join(folder, `epoch_${epoch}.pth`));
  await averageCheckpoints({ inputs: [folder], out: join(folder, 'epoch_9.safetensors') });
  const first = listener();
  const plan = await planAverage({ inputs: [folder] }, first.control);
  assert.equal(plan.averages[0]?.inputs.length, 2);
  assert.match(first.notes.join('\n'), /epoch_9\.safetensors: is an average that avg-ckpt wrote; left out/);
  copyFileSync('fixtures/fashion/checkpoints/epoch_14.onnx', join(folder, 'epoch_14.onnx'));
  const both = listener();
  const onnx = await planAverage({ inputs: [folder] }, both.control);
  assert.deepEqual(onnx.averages[0]?.inputs.length, 1);
  assert.match(both.notes.join('\n'), /3 training checkpoints beside ONNX files are left out/);
});

test('files that end like checkpoints and are none, or are work files of other commands, are no snapshots; broken ones are said', async () => {
  const folder = newFolder();
  for (const epoch of [1, 2])
    copyFileSync(join(RUN, `checkpoint-${epoch}.pth.tar`), join(folder, `epoch_${epoch}.pth`));
  writeFileSync(join(folder, 'epoch_3.bin'), Buffer.alloc(5000, 7));
  const file = openAtomic(join(folder, 'moments.safetensors'));
  writeSafetensors(file, [], new Map([['format', 'onnx-temper moments 1']]));
  file.publish({ force: false });
  const { notes, control } = listener();
  assert.equal((await planAverage({ inputs: [folder] }, control)).averages[0]?.inputs.length, 2);
  assert.deepEqual(
    notes.filter((note) => !note.includes('state_dict_ema')),
    [],
  );
  writeFileSync(join(folder, 'epoch_4.pth'), '');
  await expectFailure('FORMAT_MALFORMED', [/epoch_4\.pth: is empty/], () => planAverage({ inputs: [folder] }));
});
